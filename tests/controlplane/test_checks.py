import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks

from controlplane import checks
from dispatch import backends

ROOT = Path(__file__).resolve().parents[2]
FAKE = "dispatch.fake.ENTRY"
LONG = "a-long-secret-with-more-than-32-characters"
GOOD_KEY = "c2l4dGVlbi1ieXRlcy0tc2l4dGVlbi1ieXRlcy0tMTI="


def ids(check: Callable[[], Iterable[CheckMessage]]) -> list[str | None]:
    found = list(check())
    assert all(message.hint for message in found)
    return [message.id for message in found]


@pytest.fixture(autouse=True)
def production(settings: Any) -> None:
    settings.DEBUG = False
    settings.SECRET_KEY, settings.TOKEN_KEYS = LONG, {"k1": LONG}
    backends.forget()


@pytest.mark.parametrize(
    ("check", "name", "value", "expected"),
    [
        ("rollout_names", "ROLLOUT", {"old": "a", "new": "b"}, []),
        ("rollout_names", "ROLLOUT", {"old": "a"}, ["switchyard.E001"]),
        ("rollout_names", "ROLLOUT", {"old": "a", "new": ""}, ["switchyard.E001"]),
        ("rollout_names", "ROLLOUT", {"old": "a", "new": "a"}, ["switchyard.E002"]),
        ("backend_names", "BACKENDS", {"only": FAKE}, []),
        ("backend_names", "BACKENDS", {"droplets": FAKE, "x": FAKE}, ["switchyard.W003"]),
        ("backend_entries", "BACKENDS", {"a": FAKE}, []),
        ("backend_entries", "BACKENDS", {"a": "no.such.path"}, ["switchyard.E004"]),
        ("backend_entries", "BACKENDS", {"a": "dispatch.fake.FakeBackend"}, ["switchyard.E004"]),
        ("secret_key", "SECRET_KEY", LONG, []),
        ("secret_key", "SECRET_KEY", "only-for-development", ["switchyard.E005"]),
        ("secret_key", "SECRET_KEY", "short", ["switchyard.W006"]),
        ("encryption_keys", "ENCRYPTION_KEYS", [GOOD_KEY], []),
        ("encryption_keys", "ENCRYPTION_KEYS", [GOOD_KEY, "x"], ["switchyard.E007"]),
        ("token_keys", "TOKEN_KEYS", {"k1": LONG}, []),
        ("token_keys", "TOKEN_KEYS", {"k1": LONG, "k2": "short"}, ["switchyard.W008"]),
        ("metrics_token", "METRICS_TOKEN", "token", []),
        ("metrics_token", "METRICS_TOKEN", "", ["switchyard.W009"]),
        ("background_functions", "Q_CLUSTER", {"retry": 61, "timeout": 60}, []),
        ("background_functions", "Q_CLUSTER", {"retry": 60, "timeout": 60}, ["switchyard.E012"]),
        ("base_url", "BASE_URL", "http://127.0.0.1:8000", []),
        ("base_url", "BASE_URL", "switchyard.example.com", ["switchyard.E013"]),
        ("base_url", "BASE_URL", "ftp://127.0.0.1", ["switchyard.E013"]),
        ("base_url", "BASE_URL", "http://[::1", ["switchyard.E013"]),
        ("base_url", "BASE_URL", "http://127.0.0.1:port", ["switchyard.E013"]),
        ("base_url", "BASE_URL", "https://ci.example", ["switchyard.W015"]),
        ("base_url", "BASE_URL", "http://ci.example", ["switchyard.W014", "switchyard.W015"]),
        ("time_zone", "CONSOLE_TIME_ZONE", "Europe/Berlin", []),
        ("time_zone", "CONSOLE_TIME_ZONE", "Mars/Olympus", ["switchyard.E016"]),
        ("time_zone", "CONSOLE_TIME_ZONE", "", ["switchyard.E016"]),
        ("time_zone", "CONSOLE_TIME_ZONE", "../../etc/passwd", ["switchyard.E016"]),
    ],
)
def test_a_wrong_setting_is_found(
    settings: Any, check: str, name: str, value: Any, expected: list[str]
) -> None:
    setattr(settings, name, value)
    assert ids(getattr(checks, check)) == expected


SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "CONN_MAX_AGE": None,
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"},
}
POSTGRESQL = {"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": 60, "OPTIONS": {}}


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        (SQLITE, []),
        (POSTGRESQL, []),
        ({**SQLITE, "OPTIONS": {}}, ["switchyard.E010"]),
        ({**SQLITE, "OPTIONS": {"transaction_mode": "IMMEDIATE"}}, ["switchyard.E010"]),
        ({**POSTGRESQL, "CONN_MAX_AGE": 0}, ["switchyard.W011"]),
    ],
)
def test_a_database_that_would_lose_writes_or_be_slow_is_found(
    monkeypatch: pytest.MonkeyPatch, settings: Any, database: dict[str, Any], expected: list[str]
) -> None:
    monkeypatch.setitem(settings.DATABASES, "default", database)
    assert ids(checks.database_options) == expected


def test_the_hosts_may_be_given_by_their_domain(settings: Any) -> None:
    settings.BASE_URL, settings.ALLOWED_HOSTS = "https://ci.example", [".example"]
    assert ids(checks.base_url) == []
    settings.ALLOWED_HOSTS = ["*"]
    assert ids(checks.base_url) == []


@pytest.mark.parametrize("check", ["secret_key", "token_keys", "metrics_token"])
def test_development_may_be_careless(settings: Any, check: str) -> None:
    settings.DEBUG = True
    settings.SECRET_KEY, settings.TOKEN_KEYS = "only-for-development", {"k2": "short"}
    assert ids(getattr(checks, check)) == []


def test_django_runs_them(settings: Any) -> None:
    settings.CONSOLE_TIME_ZONE = "Mars/Olympus"
    assert "switchyard.E016" in [message.id for message in run_checks()]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SWITCHYARD_TOKEN_KEYS": "nocolon"}, "SWITCHYARD_TOKEN_KEYS: use ID:SECRET"),
        ({"SWITCHYARD_TOKEN_KEYS": "a:1,a:2"}, "a different ID for each"),
        ({"SWITCHYARD_LEASE_SECONDS": "soon"}, "SWITCHYARD_LEASE_SECONDS is 'soon'"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL: use sqlite:///PATH or postgresql://"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named_without_a_traceback(
    variables: dict[str, str], words: str
) -> None:
    environ = {**os.environ, "SWITCHYARD_SECRET_KEY": LONG, **variables}
    command = [sys.executable, "manage.py", "check", "--settings=controlplane.settings"]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert words in done.stderr and "Traceback" not in done.stderr
