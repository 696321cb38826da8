"""Who is let in, and what every call answers to what is no call of the agent API."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.db import DataError, InterfaceError, OperationalError, connection
from django.test import Client

from dispatch import tokens
from dispatch.agent_api import urls
from dispatch.models import Assignment
from tests.dispatch.agent_api.agent import Agent, finished, make_agent, release, running
from tests.factories import make_assignment

pytestmark = pytest.mark.django_db

CALLS = [
    "claim", "heartbeat", "git-token", "events", "logs/test?offset=0", "results", "artifacts",
    "finish",
]  # fmt: skip


def test_every_call_is_tried_here() -> None:
    names = [str(path.pattern).removeprefix(urls.BASE) for path in urls.urlpatterns[:-1]]
    assert [name.partition("/")[0] for name in names] == [
        call.partition("?")[0].partition("/")[0] for call in CALLS
    ]


# Tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CALLS)
def test_without_a_valid_token_nobody_is_let_in(path: str) -> None:
    agent, other = running(), make_assignment()
    valid = tokens.derive("assignment", agent.assignment.pk)
    wrong = [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {valid}",
        valid,
        f"Bearer {valid[:-1]}",
        f"Bearer {valid}x",
        f"Bearer k9.{valid.partition('.')[2]}",
        f"Bearer {valid.partition('.')[2]}",
        f"Bearer {tokens.derive('assignment', other.pk)}",
        f"Bearer {tokens.derive('worker', agent.assignment.pk)}",
        "Bearer k1.é\xff",
    ]
    for header in wrong:
        answer = agent.call(path, Authorization=header)
        assert (answer.status, list(answer.json)) == (401, ["error"]), header


@pytest.mark.parametrize("path", CALLS)
def test_a_token_does_not_open_another_assignment(path: str) -> None:
    agent = running()
    agent.token = tokens.derive("assignment", agent.assignment.pk)
    agent.assignment = make_assignment()
    assert agent.call(path).status == 401
    agent.assignment = Assignment(pk=uuid4())
    assert agent.call(path).status == 401


def test_a_token_of_a_row_that_is_gone_is_not_valid() -> None:
    assert Agent(Assignment(pk=uuid4())).claim().status == 401


def test_the_scheme_is_read_in_any_case() -> None:
    agent = make_agent()
    token = tokens.derive("assignment", agent.assignment.pk)
    assert agent.call("claim", {"instance": "a"}, Authorization=f"bearer {token}").status == 200


def test_a_token_lives_through_a_rotation_of_keys_until_its_key_is_taken_away(
    settings: Any,
) -> None:
    settings.TOKEN_KEYS = {"old": "secret-1"}
    agent = make_agent()
    agent.token = tokens.derive("assignment", agent.assignment.pk)
    settings.TOKEN_KEYS = {"new": "secret-2", "old": "secret-1"}
    assert agent.claim().status == 200
    settings.TOKEN_KEYS = {"new": "secret-2", "old": "another"}
    assert agent.claim().status == 401
    settings.TOKEN_KEYS = {"new": "secret-2"}
    assert agent.claim().status == 401


@pytest.mark.parametrize("path", CALLS)
def test_a_token_dies_ten_minutes_after_the_release(path: str) -> None:
    agent = finished()
    release(agent, minutes=9.9)
    assert agent.call(path).status != 401
    release(agent, minutes=10.1)
    assert agent.call(path).status == 401


# Versions and addresses -----------------------------------------------------------------------


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("version", [None, "", "0", "2", "1.0", "x", "1, 2"])
def test_another_version_of_the_agent_is_told_which_ones_are_spoken(
    path: str, version: str | None
) -> None:
    answer = running().call(path, Switchyard_Agent=version)
    assert answer.status == 400
    assert "Switchyard-Agent" in answer.json["error"] and "version 1" in answer.json["error"]


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method_is_told_the_right_one(path: str, method: str) -> None:
    answer = running().call(path, method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path",
    [
        "/api/agent/",
        "/api/agent/v1/",
        "/api/agent/v2/assignments/01a20a5d-ecdf-77d6-a35c-398ebb62263a/claim",
        "/api/agent/v1/assignments/no-uuid/claim",
        "/api/agent/v1/assignments/01a20a5d-ecdf-77d6-a35c-398ebb62263a/claim/",
        "/api/agent/v1/assignments/01a20a5d-ecdf-77d6-a35c-398ebb62263a/nonsense",
        "/api/agent/v1/assignments/01a20a5d-ecdf-77d6-a35c-398ebb62263a/logs/a/b",
    ],
)
def test_an_address_that_is_none_is_answered_in_json(path: str) -> None:
    answer = Client().post(path)
    assert answer.status_code == 404
    assert json.loads(answer.content) == {"error": "The agent API has no such address."}


def test_what_agents_call_all_the_time_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    agent = running()
    caplog.set_level("INFO", "switchyard.request")
    caplog.clear()
    agent.call("heartbeat")
    agent.log(b"one\n", 0)
    assert not caplog.records
    agent.event(1, "cloned")
    assert len(caplog.records) == 1


# Bodies ---------------------------------------------------------------------------------------

WITH_JSON = ["claim", "heartbeat", "events", "finish"]
NO_OBJECT = [
    b"{", b"[]", b"null", b"7", b'"text"', b"\xff\xfe", b"\0", b"[" * 100_000,
    b'{"a":' * 3000 + b"1" + b"}" * 3000, b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1e999}',
    b'{"a": ' + b"9" * 5000 + b"}", b"a=b", b"{'a': 1}",
]  # fmt: skip


@pytest.mark.parametrize("path", WITH_JSON)
@pytest.mark.parametrize("body", NO_OBJECT, ids=range(len(NO_OBJECT)))
def test_what_is_no_json_object_is_refused(path: str, body: bytes) -> None:
    answer = running().call(path, body)
    assert answer.status == 400
    assert "no JSON object" in answer.json["error"]


@pytest.mark.parametrize("path", WITH_JSON)
def test_json_has_a_bound(path: str) -> None:
    answer = running().call(path, b'{"a": "' + b"x" * 1024 * 1024 + b'"}')
    assert answer.status == 413


@pytest.mark.parametrize("path", CALLS)
def test_every_body_has_a_bound(path: str, settings: Any) -> None:
    agent = running()
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert agent.call(path, b"x" * 1001).status == 413


def test_text_that_no_database_keeps_is_kept_without_it() -> None:
    agent = running()
    odd = b'"a\\u0000b\\ud800c\xff"'
    assert agent.call("events", b'{"seq": 1, "type": "note", "detail": ' + odd + b"}").status == 200
    body = b'{"exit_code": null, "phases": {' + odd + b": " + odd + b"}}"
    assert agent.call("finish", body).status == 200
    assert agent.call("finish", body).status == 200
    assert agent.row.finish["phases"] == {"a\ufffdb?c\ufffd": "a\ufffdb?c\ufffd"}  # type: ignore[index]


def test_a_claim_by_an_odd_instance_is_kept_or_refused_but_no_error() -> None:
    agent = make_agent()
    assert agent.call("claim", b'{"instance": "\\u0000\\ud800"}').status == 200
    assert agent.call("claim", b'{"instance": "\\u0000\\ud800"}').status == 200


# The database ---------------------------------------------------------------------------------


@contextmanager
def broken(error: Exception) -> Iterator[None]:
    """Every statement fails like this."""

    def fail(*arguments: Any) -> None:
        raise error

    with connection.execute_wrapper(fail):
        yield


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_while_the_database_is_away_an_agent_is_told_to_try_again(
    path: str, error: Exception
) -> None:
    agent = running()
    with broken(error):
        answer = agent.call(path)
    assert (answer.status, answer.json) == (503, {"error": "Try again."})
    assert int(answer.headers["Retry-After"]) > 0


def test_what_the_database_does_not_take_is_not_tried_for_ever() -> None:
    agent = running()
    with broken(DataError("value out of range")):
        assert agent.event(1, "cloned").status == 400
