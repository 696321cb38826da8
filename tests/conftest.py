"""What every test may ask for."""

import signal
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from django.urls import get_resolver

SQLITE = "django.db.backends.sqlite3"


def pytest_configure(config: pytest.Config) -> None:
    """Whatever asks us to end, fixtures get to stop the processes that they started."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


# What only the Kubernetes backend needs, while that is being built: run by `-m cluster`.
CLUSTER_TESTS = (
    "tests/sandbox/test_kubelet",
    "tests/sandbox/test_kubernetes",
    "tests/sandbox/test_registry",
    "tests/conformance/",
    "tests/worker_image/test_job_",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(CLUSTER_TESTS):
            item.add_marker("cluster")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On SQLite the test database is a file, as in production: in memory there is no WAL, and
    no second process could open it. Each pytest-xdist worker has a folder of its own.

    Called by pytest-django just before it creates the databases.
    """
    database: dict[str, Any] = settings.DATABASES["default"]
    test: dict[str, Any] = database.setdefault("TEST", {})
    if database["ENGINE"] == SQLITE and not test.get("NAME"):
        test["NAME"] = str(tmp_path_factory.mktemp("database") / "switchyard.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def addresses() -> None:
    """A process mounts its addresses once: before a test puts other backends in place."""
    assert get_resolver().url_patterns


@pytest.fixture
def database_url(transactional_db: None) -> str:
    """The DATABASE_URL of the test database, for a process that a test starts."""
    return _url(connection.settings_dict)


def _url(database: dict[str, Any]) -> str:
    if database["ENGINE"] == SQLITE:
        return f"sqlite:///{Path(database['NAME']).absolute()}?synchronous=OFF"
    user, password, host, name = (
        quote(database[key], safe="") for key in ("USER", "PASSWORD", "HOST", "NAME")
    )
    return f"postgresql://{user}:{password}@{host}:{database['PORT']}/{name}"
