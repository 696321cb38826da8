"""Taking up an Assignment: one instance wins; its signs of life; its token for GitHub."""

import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from dispatch import github
from dispatch.models import (
    Assignment,
    LogChunk,
    RefusedReport,
    Task,
    TaskEvent,
)
from dispatch.outcomes import Category, TaskState
from tests.dispatch.agent_api.agent import (
    Agent,
    cancelled,
    finished,
    make_agent,
    running,
    superseded,
    timed_out,
)
from tests.factories import make_assignment, make_suite_run
from tests.rails import TOKEN, Rails, served

pytestmark = pytest.mark.django_db

# Claim ----------------------------------------------------------------------------------------


def test_the_first_instance_gets_the_work_order_and_the_task_runs() -> None:
    suite_run = make_suite_run(
        github_installation_id="4711", user_id="7", paths={"service": "app"}, clone_url=""
    )
    assignment = make_assignment(suite_run, order_index=2, command="make test", timeout_seconds=99)
    agent = make_agent(assignment)
    before = timezone.now()
    answer = agent.claim()
    assert answer.status == 200
    deadline = answer.json.pop("deadline")
    assert answer.json == {
        "assignment_id": str(assignment.pk),
        "task_id": str(assignment.task_id),
        "attempt": 1,
        "account": "acme",
        "suite_run_id": suite_run.suite_run_id,
        "repository": "acme/shop",
        "clone_url": "https://github.com/acme/shop.git",
        "commit": suite_run.commit,
        "branch": "main",
        "project_name": "shop",
        "user_id": "7",
        "github_installation_id": "4711",
        "order_index": 2,
        "order_count": 4,
        "seed": 1234,
        "paths": {
            "dockerfile": ".saturnci/Dockerfile",
            "compose": ".saturnci/docker-compose.yml",
            "pre_script": ".saturnci/pre.sh",
            "service": "app",
        },
        "command": "make test",
        "test_files": None,
        "timeout_seconds": 99,
        "log_cap_bytes": 100_000_000,
    }
    row = agent.row
    assert (row.instance, agent.task.state) == ("pod-1", TaskState.RUNNING)
    assert row.claimed_at and row.delivered_at and row.claimed_at >= before
    assert row.deadline_at == row.claimed_at + timedelta(seconds=99)
    assert deadline.startswith(row.deadline_at.isoformat()[:23])


def test_no_secret_is_in_the_work_order() -> None:
    agent = make_agent(KEY="hunter2-long")
    assert "hunter2" not in json.dumps(agent.claim().json)


def test_the_same_instance_gets_the_same_again_and_changes_nothing() -> None:
    agent = make_agent()
    first, row = agent.claim(), agent.row
    assert [agent.claim().json for _ in range(2)] == [first.json] * 2
    assert agent.row.claimed_at == row.claimed_at and agent.row.deadline_at == row.deadline_at
    assert TaskEvent.objects.filter(kind="task.running").count() == 1


def test_another_instance_leaves() -> None:
    agent = running()
    answer = agent.claim("pod-2")
    assert (answer.status, "leave" in answer.json["error"]) == (409, True)
    assert agent.row.instance == "pod-1"


@pytest.mark.parametrize("state", [finished, cancelled, superseded, timed_out])
def test_nobody_takes_up_what_has_ended(state: Any) -> None:
    agent = state()
    for instance in ("pod-1", "pod-2"):
        assert agent.claim(instance).status == 409


def test_what_was_closed_before_anybody_came_stays_closed() -> None:
    agent = make_agent()
    agent.row.close(Category.CANCELLED)
    assert agent.claim().status == 409
    assert (agent.row.claimed_at, agent.row.instance) == (None, "")
    assert agent.task.state == TaskState.CANCELLED


@pytest.mark.parametrize("instance", [None, "", 7, ["a"], {}, "x" * 101])
def test_an_instance_has_a_name(instance: Any) -> None:
    agent = make_agent()
    answer = agent.call("claim", {"instance": instance})
    assert (answer.status, answer.json["error"].partition(":")[0]) == (400, "instance")
    assert agent.row.claimed_at is None
    assert agent.call("claim", {}).status == 400


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_claims_exactly_one_wins() -> None:
    for _ in range(5):
        agent = make_agent()
        together = threading.Barrier(6)

        def claim(instance: str, agent: Agent = agent, at: Any = together) -> tuple[str, int]:
            try:
                at.wait(20)
                return instance, Agent(agent.assignment).claim(instance).status
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(claim, ["a", "b", "c", "d", "e", "f"]))
        winners = [instance for instance, status in found if status == 200]
        assert winners == [agent.row.instance]
        assert sorted(status for _, status in found) == [200, *[409] * 5]
        assert TaskEvent.objects.filter(task=agent.task, kind="task.running").count() == 1


# Heartbeat ------------------------------------------------------------------------------------


def test_a_heartbeat_is_a_sign_of_life_and_tells_the_deadline() -> None:
    agent = running()
    long_ago = timezone.now() - timedelta(minutes=5)
    Assignment.objects.filter(pk=agent.assignment.pk).update(heard_at=long_ago)
    answer = agent.call("heartbeat", {"phase": "tests_started", "counters": {"test_log_bytes": 7}})
    assert (answer.status, answer.json["cancel"]) == (200, False)
    assert agent.row.deadline_at is not None
    assert answer.json["deadline"].startswith(agent.row.deadline_at.isoformat()[:23])
    assert agent.row.heard_at is not None and agent.row.heard_at > long_ago


def test_a_cancel_is_told_by_heartbeat() -> None:
    agent = cancelled()
    for _ in range(2):
        answer = agent.call("heartbeat")
        assert (answer.status, answer.json["cancel"]) == (200, True)


@pytest.mark.parametrize("state", [superseded, timed_out])
def test_who_has_lost_the_assignment_is_told_by_heartbeat(state: Any) -> None:
    assert state().call("heartbeat").status == 409
    assert not RefusedReport.objects.exists()


def test_after_its_own_finish_there_is_nothing_to_cancel() -> None:
    answer = finished().call("heartbeat")
    assert (answer.status, answer.json["cancel"]) == (200, False)


def test_before_the_claim_there_is_no_heartbeat() -> None:
    agent = make_agent()
    assert agent.call("heartbeat").status == 409
    assert agent.row.heard_at is None


@pytest.mark.parametrize(
    "body,field",
    [
        ({"phase": 7}, "phase"),
        ({"counters": []}, "counters"),
        ({"counters": {"a": "1"}}, "counters"),
        ({"counters": {"a": -1}}, "counters"),
        ({"counters": {"a": True}}, "counters"),
        ({"counters": {str(number): 1 for number in range(51)}}, "counters"),
    ],
)
def test_a_heartbeat_of_another_shape_is_refused(body: Any, field: str) -> None:
    answer = running().call("heartbeat", body)
    assert (answer.status, answer.json["error"].partition(":")[0]) == (400, field)


# The token for GitHub -------------------------------------------------------------------------


@pytest.fixture
def rails(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rails]:
    monkeypatch.setattr(github, "_down_until", 0.0)
    with served() as server:
        settings.GITHUB_TOKEN_UPSTREAM = {
            "url": server.url,
            "authorization": "Bearer service",
            "timeout": 5.0,
        }
        yield server


def of_installation(installation: str = "4711") -> Agent:
    return make_agent(make_assignment(make_suite_run(github_installation_id=installation)))


def test_the_token_is_that_of_this_assignments_installation(rails: Rails) -> None:
    agent = of_installation()
    agent.claim()
    asked_for_another = {"github_installation_id": "666", "installation": "666"}
    for body in ({}, asked_for_another, b"", b"anything"):
        answer = agent.call("git-token", body)
        assert (answer.status, answer.json) == (200, {"token": TOKEN, "expires_at": None})
        assert answer.headers["Cache-Control"] == "no-store"
    question = ("/tokens", "Bearer service", b'{"github_installation_id": "4711"}')
    assert rails.asked == [question] * 4


def test_before_the_claim_there_is_no_token(rails: Rails) -> None:
    assert of_installation().call("git-token").status == 409
    assert rails.asked == []


@pytest.mark.parametrize("state", [finished, cancelled, superseded, timed_out])
def test_an_ended_assignment_gets_no_token(rails: Rails, state: Any) -> None:
    assert state().call("git-token").status == 409
    assert rails.asked == []


def test_without_an_installation_nobody_is_asked(rails: Rails) -> None:
    agent = of_installation("")
    agent.claim()
    assert agent.call("git-token").json["token"] == ""
    assert rails.asked == []


def test_without_an_upstream_the_token_is_empty(settings: Any) -> None:
    settings.GITHUB_TOKEN_UPSTREAM = {"url": "", "authorization": "", "timeout": 5.0}
    agent = of_installation()
    agent.claim()
    assert agent.call("git-token").json == {"token": "", "expires_at": None}


@pytest.mark.parametrize("status,body", [(500, b""), (404, b"no"), (200, b"<html>"), (200, b"")])
def test_whatever_rails_says_a_token_is_a_token_or_nothing(
    rails: Rails, status: int, body: bytes
) -> None:
    rails.status, rails.body = status, body
    agent = of_installation()
    agent.claim()
    assert agent.call("git-token").json == {"token": "", "expires_at": None}


def test_a_token_is_neither_stored_nor_logged(
    rails: Rails, caplog: pytest.LogCaptureFixture
) -> None:
    token = "ghs_abcdefghijklmnopqrstuvwxyz0123456789"
    rails.body = token.encode()
    agent = of_installation()
    agent.claim()
    with caplog.at_level(logging.DEBUG):
        assert agent.call("git-token").json["token"] == token
    agent.log(f"cloning with {token}\n".encode(), 0)
    agent.event(1, "cloned", f"with {token}")
    assert token not in caplog.text
    assert not TaskEvent.objects.filter(detail__icontains=token).exists()
    assert all(token.encode() not in bytes(chunk.data) for chunk in LogChunk.objects.all())
    task = Task.objects.select_related("suite_run").get()
    assert token not in str([vars(row) for row in (task, task.suite_run, agent.row)])
