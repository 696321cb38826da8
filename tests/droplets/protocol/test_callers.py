"""Whose credentials reach what: a Worker's reach its one Assignment alone."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dispatch import tokens
from dispatch.ids import new_id
from dispatch.models import Assignment
from dispatch.outcomes import Category
from droplets.models import Worker, WorkerState
from tests.droplets.factories import make_worker
from tests.droplets.protocol.agent import BASE, Agent, placed, running
from tests.factories import make_assignment

pytestmark = pytest.mark.django_db


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Bearer abc",
        basic("no-uuid", "x"),
        basic("01234567-89ab-7def-8123-456789abcdef", ""),
        basic("a\0b", "c"),
        "Basic é",
    ],
)
def test_what_is_no_credential_is_told_401(authorization: str) -> None:
    answer = Client().get(
        f"{BASE}workers/{new_id()}/worker_assignments", headers={"Authorization": authorization}
    )
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Basic realm="Switchyard"')
    assert answer.content == b"Unauthorized\n"


def calls(agent: Agent, task_id: object) -> list[Any]:
    """One of each."""
    return [
        agent.worker_event("ready_signal_received"),
        agent.poll(),
        agent.event(task_id, "runner_ready"),
        agent.log(task_id, "system_logs", b"x\n"),
        agent.log(task_id, "test_output", b"x\n"),
        agent.results(task_id, b"{}"),
        agent.report(task_id, "test_failure_screenshots", b"x"),
        agent.finish(task_id),
        agent.leave(task_id),
        agent.call("POST", "github_tokens", b"{}"),
        agent.call("PATCH", "test_suite_runs/x", b"{}"),
    ]


def test_a_wrong_token_opens_nothing() -> None:
    agent, assignment = running()
    agent.token = tokens.derive("worker", new_id())
    assert {answer.status_code for answer in calls(agent, assignment.task_id)} == {401}
    agent.token = tokens.derive("assignment", agent.worker_id)
    assert {answer.status_code for answer in calls(agent, assignment.task_id)} == {401}


def test_the_token_dies_with_the_droplet() -> None:
    agent, assignment = running()
    Worker.objects.filter(pk=agent.worker_id).update(destroyed_at=timezone.now())
    assert {answer.status_code for answer in calls(agent, assignment.task_id)} == {401}


@pytest.mark.parametrize("minutes,status", [(9, 200), (11, 401)])
def test_the_token_dies_ten_minutes_after_the_release(minutes: int, status: int) -> None:
    agent, assignment = running()
    assignment.close(Category.PASSED)
    released_at = timezone.now() - timedelta(minutes=minutes)
    Assignment.objects.filter(pk=assignment.pk).update(released_at=released_at)
    assert agent.log(assignment.task_id, "system_logs", b"x\n").status_code == status
    assert agent.poll().status_code == status


def test_an_imported_worker_is_known_by_the_digest_of_its_token() -> None:
    digest = hashlib.sha256(b"of-rails").hexdigest()
    worker = make_worker(WorkerState.PROVISIONING, imported=True, token_digest=digest)
    agent = Agent(worker)
    assert agent.poll().status_code == 401
    agent.token = "of-rails"
    assert (agent.poll().status_code, agent.poll().json()) == (200, [])
    assert agent.worker_event("ready_signal_received").status_code == 201


def test_a_worker_may_not_use_anothers_address() -> None:
    agent, other = Agent(make_worker()), make_worker()
    address = f"workers/{other.pk}/worker_assignments"
    assert agent.call("GET", address).status_code == 403
    address = f"workers/{other.pk}/worker_events"
    assert agent.call("POST", address, b'{"type":"error"}').status_code == 403
    assert not other.events.exists()


def test_a_worker_reaches_no_task_but_its_own() -> None:
    agent, assignment = running()
    other = make_assignment()
    for task_id in (other.task_id, new_id(), "x", assignment.pk):
        answers = calls(agent, task_id)[2:9]
        assert {answer.status_code for answer in answers} == {404}
    assert other.task.events.count() == 1


def test_a_worker_without_an_assignment_reaches_no_task() -> None:
    agent, task_id = Agent(make_worker()), make_assignment().task_id
    assert {answer.status_code for answer in calls(agent, task_id)[2:]} == {404}


def test_a_withdrawn_assignment_is_out_of_reach_for_its_former_worker() -> None:
    agent, assignment = placed()
    assert Worker.objects.get(pk=agent.worker_id).withdraw("the Worker drains")
    assert agent.event(assignment.task_id, "runner_ready").status_code == 404
    assert Assignment.by_id(assignment.pk).claimed_at is None


def test_unknown_addresses_and_methods_are_refused_in_plain_text() -> None:
    agent, assignment = running()
    answers = [
        (agent.call("POST", "debug_messages", b"{}"), 404),
        (agent.call("GET", f"tasks/{assignment.task_id}/json_output"), 405),
        (agent.call("POST", f"tasks/{assignment.task_id}/system_logs/"), 404),
    ]
    for answer, status in answers:
        assert answer.status_code == status
        assert answer["Content-Type"].startswith("text/plain")


def test_both_path_families_and_a_doubled_slash_are_served() -> None:
    agent, assignment = running()
    for base in ("/api/v1/worker_agents", "//api/v1/worker_agents"):
        for family in ("run", "task"):
            address = f"{base}/{family}s/{assignment.task_id}/{family}_events"
            answer = agent.http.post(
                "/x", b'{"type":"runner_ready"}', content_type="application/json",
                PATH_INFO=address,
                headers={"Authorization": basic(str(agent.worker_id), agent.token)},
            )  # fmt: skip
            assert answer.status_code == 200, address


def test_no_call_needs_a_csrf_token() -> None:
    agent, assignment = running()
    agent.http = Client(enforce_csrf_checks=True)
    assert 403 not in {answer.status_code for answer in calls(agent, assignment.task_id)[:9]}


def test_every_call_is_a_sign_of_life_written_at_most_every_fifteen_seconds() -> None:
    agent, assignment = running()
    rows = Worker.objects.filter(pk=agent.worker_id)
    long_ago = timezone.now() - timedelta(seconds=40)
    rows.update(last_seen_at=long_ago)
    agent.event(assignment.task_id, "runner_ready")
    first = rows.get().last_seen_at
    assert first is not None and first > long_ago
    agent.event(assignment.task_id, "repository_cloned")
    assert rows.get().last_seen_at == first
