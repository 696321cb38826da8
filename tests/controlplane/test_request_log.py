import io
import json
import logging
from typing import Any

import pytest
from django.conf import settings as product
from django.test import Client
from django.urls import reverse
from pythonjsonlogger.json import JsonFormatter

from tests.factories import make_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("both_backends")]


@pytest.fixture
def lines() -> Any:
    """What the product's JSON formatter writes, line by line."""
    options: Any = product.LOGGING["formatters"]
    formatter = JsonFormatter(options["json"]["format"])
    assert options["json"]["()"] == f"{JsonFormatter.__module__}.{JsonFormatter.__name__}"
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger("switchyard.request")
    logger.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)


def test_a_request_is_one_line_of_json_without_what_was_asked_for(
    console: Client, lines: Any
) -> None:
    task = make_task()
    console.get(reverse("console:task", args=[task.pk]), {"log": "secret-word"})
    (line,) = lines()
    assert (line["method"], line["path"], line["status"]) == ("GET", "/tasks/<uuid:task_id>/", 200)
    assert line["task"] == str(task.pk)
    assert line["ms"] > 0 and line["levelname"] == "INFO"
    assert "secret-word" not in json.dumps(line)


def test_an_address_that_is_not_there_is_logged_without_it(lines: Any) -> None:
    Client().get("/some/secret/path")
    (line,) = lines()
    assert (line["path"], line["status"]) == ("(no such address)", 404)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_are_not_logged(path: str, lines: Any) -> None:
    Client().get(path)
    assert lines() == []
