"""What is logged while the database is away, by the handler of the settings."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings as product
from django.db import DatabaseError, OperationalError
from django.db.utils import ConnectionHandler
from django.utils.module_loading import import_string
from pythonjsonlogger.json import JsonFormatter

from tests.ports import free_port

MEMORY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
NOBODY = {"ENGINE": "django.db.backends.postgresql", "NAME": "x", "HOST": "127.0.0.1"}


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What comes out of the logger "outage" through the settings' filters and formatter."""
    options: Any = product.LOGGING
    handler = logging.StreamHandler(stream := io.StringIO())
    handler.setFormatter(JsonFormatter(options["formatters"]["json"]["format"]))
    for name in options["handlers"]["console"]["filters"]:
        handler.addFilter(import_string(options["filters"][name]["()"])())
    logger = logging.getLogger("outage")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def log(problem: DatabaseError) -> None:
    try:
        raise problem
    except DatabaseError:
        logging.getLogger("outage").exception("Loop %s failed", "place")


def problem_of(settings: dict[str, str], statement: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        ConnectionHandler({"default": settings})["default"].cursor().execute(statement)
    return caught.value


def told_by_the_server(cause: psycopg.Error) -> DatabaseError:
    problem = OperationalError(str(cause))
    problem.__cause__ = cause
    return problem


@pytest.mark.django_db
def test_a_server_that_cannot_be_reached_is_a_warning_in_one_line(logged: io.StringIO) -> None:
    log(problem_of({**NOBODY, "PORT": str(free_port())}, "SELECT 1"))

    (line,) = map(json.loads, logged.getvalue().splitlines())
    assert line["levelname"] == "WARNING"
    assert line["message"].startswith("Loop place failed: connection failed:")
    assert "Traceback" not in logged.getvalue()


@pytest.mark.parametrize(
    "cause",
    [
        psycopg.errors.AdminShutdown("terminating connection due to administrator command"),
        psycopg.errors.CannotConnectNow("the database system is starting up"),
        psycopg.errors.TooManyConnections("sorry, too many clients already"),
        psycopg.OperationalError("the connection is lost"),
    ],
)
def test_so_is_one_that_goes_away(logged: io.StringIO, cause: psycopg.Error) -> None:
    log(told_by_the_server(cause))

    assert json.loads(logged.getvalue())["message"] == f"Loop place failed: {cause}"
    assert "Traceback" not in logged.getvalue()


@pytest.mark.parametrize(
    "cause",
    [
        psycopg.errors.DeadlockDetected("deadlock detected"),
        psycopg.errors.QueryCanceled("canceling statement due to statement timeout"),
    ],
)
def test_every_other_problem_of_the_server_is_told_in_full(
    logged: io.StringIO, cause: psycopg.Error
) -> None:
    log(told_by_the_server(cause))

    assert_told_in_full(logged)


@pytest.mark.django_db
def test_a_mistake_of_ours_is_told_in_full(logged: io.StringIO) -> None:
    problem = problem_of(MEMORY, "SELECT * FROM nowhere")
    assert isinstance(problem, OperationalError)
    log(problem)

    assert_told_in_full(logged)


def assert_told_in_full(logged: io.StringIO) -> None:
    line = json.loads(logged.getvalue())
    assert (line["levelname"], line["message"]) == ("ERROR", "Loop place failed")
    assert "Traceback" in line["exc_info"]
