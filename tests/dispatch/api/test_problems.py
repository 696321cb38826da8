import pytest
from django.db import OperationalError
from django.test import Client

from dispatch.api import reading
from tests.dispatch.api.calling import Answer, Api

PATHS = ["/api/v1/", "/api/v1/nothing", "/api/v1/tasks/", "/api/v1/tasks/7", "/api/v1/tasks/x/y"]


@pytest.mark.parametrize("path", PATHS)
def test_an_address_that_is_not_there_gets_a_problem(api: Api, path: str) -> None:
    answer = api.get(path)

    assert (answer.status, list(answer.errors)) == (404, ["path"])


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options", "trace"])
def test_so_it_does_for_every_method(db: None, method: str) -> None:
    answer = getattr(Client(), method)("/api/v1/nothing")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_a_query_of_too_many_names_is_refused(api: Api) -> None:
    answer = api.get("/api/v1/tasks", **{f"name{number}": "x" for number in range(1001)})

    assert (answer.status, list(answer.errors)) == (400, ["request"])


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_a_method_that_is_not_there_is_named_with_those_that_are(api: Api, method: str) -> None:
    headers = {"Authorization": f"Bearer {api.key}"}
    answer = getattr(api.client, method)("/api/v1/tasks", headers=headers)

    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD, POST"
    assert answer.json()["errors"] == [
        {
            "field": "method",
            "message": f"{method.upper()} is not possible; use GET, HEAD, POST.",
        }
    ]


def test_a_bug_is_a_problem_without_its_details(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = failing(api, monkeypatch, RuntimeError("the secret inside"))

    assert answer.status == 500
    assert answer.errors
    assert b"secret" not in answer.content


def test_a_database_that_is_away_asks_to_try_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = failing(api, monkeypatch, OperationalError("server closed the connection"))

    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert b"closed" not in answer.content


def failing(api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception) -> Answer:
    def fail(request: object) -> None:
        raise error

    monkeypatch.setattr(reading, "list_tasks", fail)
    return api.get("/api/v1/tasks")


def test_the_accept_header_changes_nothing(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.key}", "Accept": "text/html"}

    assert api.client.get("/api/v1/tasks", headers=headers)["Content-Type"] == "application/json"
