"""Relays: GitHub tokens from Rails, and the number of examples to Rails."""

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dispatch import github
from dispatch.models import Assignment, SuiteRun, Webhook
from dispatch.outcomes import Category
from tests.droplets.protocol.agent import Agent, running
from tests.factories import make_client, make_suite_run
from tests.rails import TOKEN, Rails, served

pytestmark = pytest.mark.django_db


@pytest.fixture
def rails(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rails]:
    monkeypatch.setattr(github, "_down_until", 0.0)
    with served() as server:
        settings.GITHUB_TOKEN_UPSTREAM = {
            "url": server.url, "authorization": "Bearer service", "timeout": 5.0
        }  # fmt: skip
        yield server


def agent_of_installation(installation: str = "4711") -> tuple[Agent, Assignment]:
    return running(suite_run=make_suite_run(github_installation_id=installation))


def ask(agent: Agent, installation: object = "4711") -> Any:
    body = json.dumps({"github_installation_id": installation}).encode()
    return agent.call("POST", "github_tokens", body)


def test_the_token_comes_bare_and_the_question_goes_on_as_it_came(rails: Rails) -> None:
    agent, _ = agent_of_installation()
    answer = ask(agent)
    assert (answer.status_code, answer.content) == (200, TOKEN.encode())
    assert rails.asked == [("/tokens", "Bearer service", b'{"github_installation_id": "4711"}')]


def test_a_newline_after_the_token_is_taken_off(rails: Rails) -> None:
    rails.body = TOKEN.encode() + b"\r\n"
    assert ask(agent_of_installation()[0]).content == TOKEN.encode()


@pytest.mark.parametrize("wrong", ["4712", "", None, 4711, ["4711"], "4711 "])
def test_another_installation_is_refused_without_a_word(rails: Rails, wrong: object) -> None:
    answer = ask(agent_of_installation()[0], wrong)
    assert (answer.status_code, answer.content, rails.asked) == (403, b"", [])


def test_an_ended_assignment_gets_none(rails: Rails) -> None:
    agent, assignment = agent_of_installation()
    assignment.close(Category.PASSED)
    assert (ask(agent).content, rails.asked) == (b"", [])


@pytest.mark.parametrize(
    "status,body",
    [
        (200, b""),
        (200, b"two words"),
        (200, b"$(reboot)"),
        (200, b"<html>"),
        (200, b"a\nb"),
        (200, "tokén".encode()),
        (200, b"x" * 5000),
        (404, b"NotFound"),
        (302, b"Found"),
        (500, b"Error"),
    ],
)
def test_what_is_no_token_never_reaches_the_shell(rails: Rails, status: int, body: bytes) -> None:
    rails.status, rails.body = status, body
    answer = ask(agent_of_installation()[0])
    assert (answer.status_code, answer.content) == (200, b"")


def test_every_refusal_has_an_empty_body(rails: Rails) -> None:
    agent, _ = agent_of_installation()
    assert agent.call("POST", "github_tokens", b"no json").content == b""
    agent.token += "x"
    answer = ask(agent)
    assert (answer.status_code, answer.content) == (401, b"")


def test_an_upstream_that_breaks_off_gives_an_empty_body(rails: Rails) -> None:
    rails.promised = 100
    answer = ask(agent_of_installation()[0])
    assert (answer.status_code, answer.content) == (200, b"")


def test_not_even_a_bug_puts_words_into_the_body(rails: Rails, settings: Any) -> None:
    del settings.GITHUB_TOKEN_UPSTREAM["authorization"]
    answer = ask(agent_of_installation()[0])
    assert (answer.status_code, answer.content) == (500, b"")


def test_without_an_upstream_the_answer_is_empty(settings: Any) -> None:
    settings.GITHUB_TOKEN_UPSTREAM = {"url": "", "authorization": "", "timeout": 1.0}
    answer = ask(agent_of_installation()[0])
    assert (answer.status_code, answer.content) == (200, b"")


def test_while_the_upstream_is_down_it_fails_fast(
    rails: Rails, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GITHUB_TOKEN_UPSTREAM |= {"timeout": 0.3}
    agent, _ = agent_of_installation()
    rails.gate.clear()
    assert ask(agent).content == b""
    started = time.monotonic()
    assert [ask(agent).content for _ in range(5)] == [b""] * 5
    assert (time.monotonic() - started < 0.3, len(rails.asked)) == (True, 1)
    rails.gate.set()
    monkeypatch.setattr(github, "_down_until", time.monotonic() - 0.1)
    assert ask(agent).content == TOKEN.encode()


def test_nothing_of_a_token_is_logged(rails: Rails, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ask(agent_of_installation()[0])
    rails.status, rails.body = 500, TOKEN.encode()
    ask(agent_of_installation()[0])
    assert TOKEN not in caplog.text and "service" not in caplog.text


# The number of examples -----------------------------------------------------------------------


def patch(agent: Agent, suite_run_id: str, body: bytes) -> Any:
    return agent.call("PATCH", f"test_suite_runs/{suite_run_id}", body)


def count_of(assignment: Assignment) -> int | None:
    return SuiteRun.objects.get(pk=assignment.task.suite_run_id).dry_run_example_count


def test_the_number_of_examples_is_stored_and_sent_on_once() -> None:
    make_client(webhook_url="http://127.0.0.1:1/")
    agent, assignment = running()
    suite_run_id = assignment.task.suite_run.suite_run_id
    for _ in range(2):
        answer = patch(agent, suite_run_id, b'{"dry_run_example_count":120}')
        assert answer.status_code == 200
        assert answer.json() == {"id": suite_run_id, "dry_run_example_count": 120}
    assert count_of(assignment) == 120
    webhook = Webhook.objects.get(kind="suite_run.updated")
    assert webhook.payload["data"]["detail"] == {"dry_run_example_count": 120}


@pytest.mark.parametrize("value", ["7", "007", 7])
def test_a_text_of_digits_is_a_number_too(value: object) -> None:
    agent, assignment = running()
    body = json.dumps({"dry_run_example_count": value}).encode()
    assert patch(agent, assignment.task.suite_run.suite_run_id, body).status_code == 200
    assert count_of(assignment) == 7


@pytest.mark.parametrize("value", [None, "", "x", -1, 1.5, True, [], {}, 2**31, "9" * 5000, "٣"])
def test_what_is_no_number_is_refused_by_name(value: object) -> None:
    agent, assignment = running()
    body = json.dumps({"dry_run_example_count": value}).encode()
    answer = patch(agent, assignment.task.suite_run.suite_run_id, body)
    assert (answer.status_code, b"dry_run_example_count: " in answer.content) == (422, True)
    assert count_of(assignment) is None


def test_without_the_number_there_is_nothing_to_check() -> None:
    agent, assignment = running()
    answer = patch(agent, assignment.task.suite_run.suite_run_id, b'{"anything": "else"}')
    assert (answer.status_code, count_of(assignment)) == (200, None)


def test_another_suite_run_is_out_of_reach() -> None:
    agent, _ = running()
    other = make_suite_run(suite_run_id="build-of-another")
    answer = patch(agent, other.suite_run_id, b'{"dry_run_example_count":1}')
    assert answer.status_code == 404
    assert SuiteRun.objects.get(pk=other.pk).dry_run_example_count is None
