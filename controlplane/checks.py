"""System checks: settings that are readable and yet wrong. `manage.py check` runs them all.

Each has an id, and a hint that says what to do. What needs the database or the network is
`manage.py preflight`'s.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from dispatch import backends

SHORTEST_SECRET = 32
LOOPBACK = {"127.0.0.1", "localhost", "::1"}

Check = Callable[[], Iterable[CheckMessage]]


def check(function: Check) -> Check:
    """Register a generator of messages as one of Django's checks."""

    @register()
    def run(app_configs: Any, **options: Any) -> list[CheckMessage]:
        return list(function())

    return function


# Backends -------------------------------------------------------------------------------------


@check
def rollout_names() -> Iterator[CheckMessage]:
    names = settings.ROLLOUT
    if set(names) != {"old", "new"} or not all(names.values()):
        hint = 'Use {"old": NAME, "new": NAME}.'
        yield Error("ROLLOUT does not name an old and a new backend.", hint, id="switchyard.E001")
    elif names["old"] == names["new"]:
        hint = "Name the backend that traffic leaves, and the one that it goes to."
        yield Error("ROLLOUT names one backend twice.", hint, id="switchyard.E002")


@check
def backend_names() -> Iterator[CheckMessage]:
    strangers = sorted(set(settings.BACKENDS) - set(settings.ROLLOUT.values()))
    if len(settings.BACKENDS) > 1 and strangers:
        yield Warning(
            f"BACKENDS names {', '.join(strangers)}, which ROLLOUT does not.",
            "Such a backend gets no Task: name it in ROLLOUT, or take it out.",
            id="switchyard.W003",
        )


@check
def backend_entries() -> Iterator[CheckMessage]:
    """Whether each path leads to an entry; then what the backend itself finds wrong."""
    for name, path in settings.BACKENDS.items():
        try:
            entry = backends.load(path)
        except (ImportError, TypeError) as problem:
            yield Error(
                f"BACKENDS[{name!r}] cannot be used: {problem}",
                "Give the dotted path of a dispatch.backends.BackendEntry.",
                id="switchyard.E004",
            )
        else:
            yield from entry.checks()


# Secrets --------------------------------------------------------------------------------------


@check
def secret_key() -> Iterator[CheckMessage]:
    if settings.DEBUG:
        return
    if settings.SECRET_KEY == settings.DEVELOPMENT_SECRET:
        hint = "Set SWITCHYARD_SECRET_KEY to a long random text."
        yield Error("The development secret is in use.", hint, id="switchyard.E005")
    elif len(settings.SECRET_KEY) < SHORTEST_SECRET:
        hint = f"Give SWITCHYARD_SECRET_KEY at least {SHORTEST_SECRET} characters."
        yield Warning("The secret key is short.", hint, id="switchyard.W006")


@check
def encryption_keys() -> Iterator[CheckMessage]:
    hint = "A key is 32 random bytes in base64url: cryptography's Fernet.generate_key() makes one."
    for number, key in enumerate(settings.ENCRYPTION_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            text = f"SWITCHYARD_ENCRYPTION_KEYS: number {number} is no key."
            yield Error(text, hint, id="switchyard.E007")


@check
def token_keys() -> Iterator[CheckMessage]:
    own = {name: one for name, one in settings.TOKEN_KEYS.items() if one != settings.SECRET_KEY}
    short = [name for name, secret in own.items() if len(secret) < SHORTEST_SECRET]
    if short and not settings.DEBUG:
        yield Warning(
            f"SWITCHYARD_TOKEN_KEYS: the secret of {', '.join(short)} is short.",
            f"Workers' and agents' tokens hang on it: use {SHORTEST_SECRET} characters or more.",
            id="switchyard.W008",
        )


@check
def metrics_token() -> Iterator[CheckMessage]:
    if not (settings.METRICS_TOKEN or settings.DEBUG):
        yield Warning(
            "/metrics answers anybody.",
            "Set SWITCHYARD_METRICS_TOKEN, or keep /metrics away from the outside.",
            id="switchyard.W009",
        )


# Database and background functions ------------------------------------------------------------


@check
def database_options() -> Iterator[CheckMessage]:
    database: dict[str, Any] = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        yield from _sqlite(database.get("OPTIONS", {}))
    if database.get("CONN_MAX_AGE") == 0:
        yield Warning(
            "Each request opens a connection of its own to the database.",
            "Set CONN_MAX_AGE to 60: without it everything takes several times as long.",
            id="switchyard.W011",
        )


def _sqlite(options: dict[str, Any]) -> Iterator[CheckMessage]:
    wal = "journal_mode=wal" in options.get("init_command", "").lower().replace(" ", "")
    if options.get("transaction_mode") != "IMMEDIATE" or not wal:
        yield Error(
            "SQLite is not in WAL mode with IMMEDIATE transactions.",
            "Let DATABASE_URL make the settings: without these, writers that meet fail.",
            id="switchyard.E010",
        )


@check
def background_functions() -> Iterator[CheckMessage]:
    cluster: dict[str, Any] = settings.Q_CLUSTER
    if cluster.get("retry", 60) <= (cluster.get("timeout") or 0):
        yield Error(
            "Q_CLUSTER: retry is not larger than timeout.",
            "A background function would be started again while it still runs.",
            id="switchyard.E012",
        )


# Pages ----------------------------------------------------------------------------------------


@check
def base_url() -> Iterator[CheckMessage]:
    hint = "Use what agents and Rails reach us by, such as https://switchyard.example.com."
    try:
        parts = urlsplit(settings.BASE_URL)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        yield Error("SWITCHYARD_BASE_URL is no web address.", hint, id="switchyard.E013")
        return
    if parts.scheme == "http" and host not in LOOPBACK and not settings.DEBUG:
        text = "SWITCHYARD_BASE_URL is http: tokens and results travel in the clear."
        yield Warning(text, "Use https.", id="switchyard.W014")
    if not _allowed(host):
        yield Warning(
            f"SWITCHYARD_ALLOWED_HOSTS lacks {host}, the host of SWITCHYARD_BASE_URL.",
            "Add it: whoever calls us by that address is refused with 400.",
            id="switchyard.W015",
        )


def _allowed(host: str) -> bool:
    patterns = [pattern.strip("[]").lower() for pattern in settings.ALLOWED_HOSTS]
    return any(
        pattern in ("*", host) or (pattern.startswith(".") and f".{host}".endswith(pattern))
        for pattern in patterns
    )


@check
def time_zone() -> Iterator[CheckMessage]:
    try:
        ZoneInfo(settings.CONSOLE_TIME_ZONE)
    except (KeyError, ValueError, OSError):
        yield Error(
            f"SWITCHYARD_CONSOLE_TIME_ZONE: there is no zone {settings.CONSOLE_TIME_ZONE!r}.",
            "Use a name of the tz database, such as UTC or Europe/Berlin.",
            id="switchyard.E016",
        )
