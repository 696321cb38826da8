"""What every test may ask for."""

import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from django.urls import get_resolver

if TYPE_CHECKING:
    from selenium import webdriver

SQLITE = "django.db.backends.sqlite3"


def pytest_configure(config: pytest.Config) -> None:
    """Whatever asks us to end, fixtures get to stop the processes that they started."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


# What touches neither our database nor the settings that depend on it, or brings a database of its
# own: one run is enough.
NO_DATABASE = (
    "tests/architecture/",
    "tests/bench/",
    "tests/cluster/",
    "tests/conformance/",
    "tests/crash/test_database_restart.py",
    "tests/droplets/test_cloud.py",
    "tests/kube/manifest/",
    "tests/kube/planner/",
    "tests/kube/test_anything.py",
    "tests/kube/test_api.py",
    "tests/kube/test_goldens.py",
    "tests/kube/test_limits.py",
    "tests/kube/test_on_a_node.py",
    "tests/kube/test_status.py",
    "tests/kube/test_structure.py",
    "tests/kube/test_view.py",
    "tests/sandbox/",
    "tests/worker_image/",
)
# By name, whether such tests are in the part.
PARTS = {"database": False, "sandbox": True}
# What needs a real cluster is in no other part, and does not run by itself (tests/cluster).
CLUSTER = "cluster"
# Of the sandbox cluster in the other parts, of a real one in this: what is marked, and a folder.
ANY_CLUSTER = "any_cluster"
ON_ANY_CLUSTER = "tests/conformance/"


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "run only what needs our database, what does not, or a cluster (default: the first two)"
    parser.addoption("--part", choices=[*sorted(PARTS), CLUSTER], help=text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(NO_DATABASE):
            item.add_marker("no_database")
    part = config.getoption("--part")
    others = [item for item in items if not _is_in(item, part)]
    items[:] = _slow_files_first([item for item in items if _is_in(item, part)])
    config.hook.pytest_deselected(items=others)


def _slow_files_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """What takes a minute must not begin when everything else has ended."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    return sorted(items, key=lambda item: item.path not in slow)


def _is_in(item: pytest.Item, part: str | None) -> bool:
    needs_cluster = item.get_closest_marker(CLUSTER) is not None
    if part == CLUSTER:
        on_any = item.get_closest_marker(ANY_CLUSTER) is not None
        return needs_cluster or on_any or item.nodeid.startswith(ON_ANY_CLUSTER)
    return not needs_cluster and (part is None or _needs_none(item) is PARTS[part])


def _needs_none(item: pytest.Item) -> bool:
    return item.get_closest_marker("no_database") is not None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def runs_on_each_database(request: pytest.FixtureRequest) -> None:
    if _needs_none(request.node):
        remedy = "move it, or take its folder out of NO_DATABASE of tests/conftest.py"
        pytest.fail(f"{request.node.nodeid} uses our database, but runs once: {remedy}", False)


@pytest.fixture
def _django_db_helper(runs_on_each_database: None, _django_db_helper: None) -> None:
    """Of pytest-django: whatever asks for the database, a marker or a fixture, comes by here."""


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


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[webdriver.Chrome]":
    """One for all tests of a module. Skips them where there is no Chromium."""
    from tests.browser import chromium, require_chromium  # few tests need Selenium

    require_chromium()
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


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
