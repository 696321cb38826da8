"""Every setting, in one place that reads like a table; docs/settings.md explains each one.

Values come from the environment (`dispatch.env`); secrets may come from files (`NAME_FILE`).
Each backend reads its own settings in its `config.py`.
"""

import hashlib
from base64 import urlsafe_b64encode
from pathlib import Path

from dispatch import env

ROOT = Path(__file__).resolve().parent.parent

# Who we are ---------------------------------------------------------------------------------
DEBUG = env.flag("SWITCHYARD_DEBUG", False)
DEVELOPMENT_SECRET = "only-for-development"
SECRET_KEY = env.raw("SWITCHYARD_SECRET_KEY", DEVELOPMENT_SECRET if DEBUG else env.REQUIRED)
BASE_URL = env.raw("SWITCHYARD_BASE_URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.words("SWITCHYARD_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("SWITCHYARD_TRUSTED_ORIGINS")
TOKEN_KEYS = env.pairs("SWITCHYARD_TOKEN_KEYS") or {"k1": SECRET_KEY}
ENCRYPTION_KEYS = env.words(
    "SWITCHYARD_ENCRYPTION_KEYS",
    urlsafe_b64encode(hashlib.sha256(SECRET_KEY.encode()).digest()).decode(),
)

# Backends: the folder and its line go together ------------------------------------------------
INSTALLED_BACKENDS = {
    "droplets": "droplets.entry.ENTRY",
    "kubernetes": "kube.entry.ENTRY",
}
BACKENDS = env.chosen("SWITCHYARD_BACKENDS", INSTALLED_BACKENDS)
ROLLOUT = {"old": "droplets", "new": "kubernetes"}

# What we run on -------------------------------------------------------------------------------
INSTALLED_APPS = [
    "controlplane.apps.ControlPlaneConfig",
    "dispatch.apps.DispatchConfig",
    *dict.fromkeys(path.split(".")[0] for path in INSTALLED_BACKENDS.values()),
    "rest_framework",
    "drf_spectacular",
    "django_q",
    "django_htmx",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "dispatch.request_log.log_requests",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "controlplane.urls"
WSGI_APPLICATION = "controlplane.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "controlplane.console.context.navigation",
            ],
        },
    },
]

# Database -------------------------------------------------------------------------------------
DATABASES = {
    "default": env.database(
        env.raw("DATABASE_URL", f"sqlite:///{ROOT / 'var' / 'switchyard.sqlite3'}"),
        test_name=env.raw("SWITCHYARD_TEST_DATABASE", ""),
    ),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Pages ----------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
USE_TZ = True
TIME_ZONE = "UTC"
CONSOLE_TIME_ZONE = env.raw("SWITCHYARD_CONSOLE_TIME_ZONE", "UTC")
STATIC_URL = "static/"
STATIC_ROOT = ROOT / "var" / "static"
STATICFILES_DIRS = [ROOT / "templates" / "static"]
WHITENOISE_USE_FINDERS = True
LOGIN_URL = "console:login"
LOGIN_REDIRECT_URL = "console:overview"
LOGOUT_REDIRECT_URL = "console:login"
SECURE_COOKIES = env.flag("SWITCHYARD_SECURE_COOKIES", not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Sizes and times ------------------------------------------------------------------------------
DATA_UPLOAD_MAX_MEMORY_SIZE = env.integer("SWITCHYARD_MAX_BODY_BYTES", 200_000_000)
ALLOW_FILE_CLONE_URLS = env.flag("SWITCHYARD_ALLOW_FILE_CLONE_URLS", DEBUG)
LOG_CAP_BYTES = env.integer("SWITCHYARD_LOG_CAP_BYTES", 100_000_000, least=10_000)
DEADLINE_GRACE_SECONDS = env.number("SWITCHYARD_DEADLINE_GRACE_SECONDS", 10)
ACCOUNT_LIMIT = env.integer("SWITCHYARD_ACCOUNT_LIMIT", 0)
FALLBACKS_PER_HOUR = env.integer("SWITCHYARD_FALLBACKS_PER_HOUR", 100)
FALLBACK_AFTER_SECONDS = env.number("SWITCHYARD_FALLBACK_AFTER_SECONDS", 120)
RETENTION_DAYS = {
    "logs": env.integer("SWITCHYARD_KEEP_LOGS_DAYS", 30, least=1),
    "results": env.integer("SWITCHYARD_KEEP_RESULTS_DAYS", 90, least=1),
    "webhooks": env.integer("SWITCHYARD_KEEP_WEBHOOKS_DAYS", 30, least=1),
    "idempotency_keys": env.integer("SWITCHYARD_KEEP_IDEMPOTENCY_KEYS_DAYS", 2, least=1),
}

# Controller -----------------------------------------------------------------------------------
LEASE_SECONDS = env.number("SWITCHYARD_LEASE_SECONDS", 6, least=0.5)
SWEEP_SECONDS = env.number("SWITCHYARD_SWEEP_SECONDS", 1, least=0.05)
RECONCILE_SECONDS = env.number("SWITCHYARD_RECONCILE_SECONDS", 2, least=0.05)
BACKEND_THREADS = env.integer("SWITCHYARD_BACKEND_THREADS", 4, least=1, most=64)

# Webhooks and relays --------------------------------------------------------------------------
WEBHOOK_TIMEOUT_SECONDS = env.number("SWITCHYARD_WEBHOOK_TIMEOUT_SECONDS", 10, least=0.1)
WEBHOOK_MAX_ATTEMPTS = env.integer("SWITCHYARD_WEBHOOK_MAX_ATTEMPTS", 12, least=1)
WEBHOOK_FIRST_RETRY_SECONDS = env.number("SWITCHYARD_WEBHOOK_FIRST_RETRY_SECONDS", 5, least=0.01)
WEBHOOK_LEASE_SECONDS = env.number("SWITCHYARD_WEBHOOK_LEASE_SECONDS", 60, least=0.1)
GITHUB_TOKEN_UPSTREAM = {
    "url": env.raw("SWITCHYARD_GITHUB_TOKEN_URL", ""),
    "authorization": env.raw("SWITCHYARD_GITHUB_TOKEN_AUTHORIZATION", ""),
    "timeout": env.number("SWITCHYARD_GITHUB_TOKEN_TIMEOUT_SECONDS", 5, least=0.1),
}

# Background functions (django-q2): our own tables own retries, so nothing here retries ---------
FUNCTIONS_SILENCE_SECONDS = env.number("SWITCHYARD_FUNCTIONS_SILENCE_SECONDS", 60, least=1)
Q_CLUSTER = {
    "name": "switchyard",
    "orm": "default",
    "workers": env.integer("SWITCHYARD_FUNCTION_WORKERS", 2, least=1, most=32),
    "queue_limit": env.integer("SWITCHYARD_FUNCTION_WORKERS", 2, least=1, most=32),
    "timeout": 60,
    "retry": 300,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    "poll": 0.5,
    "bulk": 1,
}

# API ------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["dispatch.api.auth.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["dispatch.api.auth.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["dispatch.api.parsing.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "dispatch.api.negotiation.AlwaysJSON",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "dispatch.api.problems.exception_handler",
    "LIST_SERIALIZER_ERRORS_AS_DICT": True,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Switchyard dispatch API",
    "VERSION": "1",
    "DESCRIPTION": "Dispatch test Tasks, follow them, and steer the traffic split.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["dispatch.api.schema.only_the_dispatch_api"],
    "POSTPROCESSING_HOOKS": ["dispatch.api.schema.nothing_unknown"],
}

# Metrics --------------------------------------------------------------------------------------
METRICS_TOKEN = env.raw("SWITCHYARD_METRICS_TOKEN", "")

# Logs -----------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
        "text": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    },
    "filters": {"outage": {"()": "dispatch.outage.InOneLine"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["outage"],
            "formatter": env.choice("SWITCHYARD_LOG_FORMAT", "json", ("json", "text")),
        },
    },
    "root": {"handlers": ["console"], "level": env.raw("SWITCHYARD_LOG_LEVEL", "INFO").upper()},
    "loggers": {
        "django": {"level": "INFO"},  # without the handler of its own that it has in DEBUG
        "django.request": {"level": "ERROR"},  # answers are logged by dispatch.request_log
        "django.server": {"level": "ERROR", "propagate": True},
        # python-digitalocean prints whole payloads, user data included, at DEBUG
        "digitalocean": {"level": "INFO"},
        "urllib3": {"level": "INFO"},
    },
}
