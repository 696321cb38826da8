"""Events: the claim, the phases, and that the same again changes nothing."""

import json

import pytest

from dispatch.models import Assignment, Task, TaskEvent
from dispatch.outcomes import Category
from droplets.models import Worker, WorkerEvent, WorkerState
from tests.droplets.factories import make_worker
from tests.droplets.protocol.agent import Agent, placed, running

pytestmark = pytest.mark.django_db


def story(assignment: Assignment) -> list[str]:
    rows = TaskEvent.objects.filter(task=assignment.task_id).order_by("seq")
    return list(rows.values_list("kind", flat=True))


def state_of(agent: Agent) -> str:
    return Worker.objects.get(pk=agent.worker_id).state


def test_the_acknowledgement_is_the_claim() -> None:
    agent, assignment = running()
    assert (assignment.instance, assignment.live) == (str(agent.worker_id), True)
    assert assignment.claimed_at is not None and assignment.deadline_at is not None
    assert Task.objects.get(pk=assignment.task_id).state == "running"


def test_the_acknowledgement_again_changes_nothing() -> None:
    agent, assignment = running()
    assert agent.worker_event("assignment_acknowledged").status_code == 201
    assert Assignment.by_id(assignment.pk).claimed_at == assignment.claimed_at
    assert story(assignment) == ["task.queued", "task.assigned", "task.running"]


def test_an_acknowledgement_that_comes_after_a_cancel_is_refused() -> None:
    """An agent of ours then leaves before it clones."""
    agent, assignment = placed()
    agent.poll()
    assert Task.objects.get(pk=assignment.task_id).cancel(actor="rails")
    assert agent.worker_event("assignment_acknowledged").status_code == 409
    assert Assignment.by_id(assignment.pk).claimed_at is None


def test_a_report_without_an_acknowledgement_is_one() -> None:
    """Its answer was an error six times; the Ruby agent goes on all the same."""
    agent, assignment = placed()
    agent.poll()
    assert agent.log(assignment.task_id, "system_logs", b"x\n").status_code == 200
    assert Assignment.by_id(assignment.pk).claimed_at is not None


def test_each_event_is_kept_once_in_the_order_of_arrival() -> None:
    agent, assignment = running()
    for kind in ("runner_ready", "repository_cloned", "repository_cloned", "runner_ready"):
        assert agent.event(assignment.task_id, kind).status_code == 200
    assert story(assignment)[3:] == ["agent.runner_ready", "agent.repository_cloned"]


@pytest.mark.parametrize(
    "kind,phase",
    [
        ("repository_cloned", "cloned_at"),
        ("pre_script_started", "built_at"),
        ("pre_script_finished", "services_ready_at"),
        ("test_suite_started", "tests_started_at"),
    ],
)
def test_the_first_event_of_a_phase_sets_its_time(kind: str, phase: str) -> None:
    agent, assignment = running()
    assert getattr(assignment, phase) is None
    agent.event(assignment.task_id, kind)
    first = getattr(Assignment.by_id(assignment.pk), phase)
    assert first is not None
    agent.event(assignment.task_id, kind)
    assert getattr(Assignment.by_id(assignment.pk), phase) == first


@pytest.mark.parametrize("kind", ["who_knows", "x" * 300, "a\0b", "\ud800", "<b>", "ünï"])
def test_an_unknown_event_is_stored_and_welcome(kind: str) -> None:
    agent, assignment = running()
    assert agent.event(assignment.task_id, kind).status_code == 200
    assert agent.event(assignment.task_id, kind).status_code == 200
    assert len(story(assignment)) == 4
    assert agent.worker_event(kind).status_code == 201
    assert WorkerEvent.objects.filter(worker=agent.worker_id).count() == 3


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"{}", b'{"type":7}', b'{"type":""}', b"\xff", b"[" * 9999]
)
def test_what_is_no_event_is_told_so(body: bytes) -> None:
    agent, assignment = running()
    for address in (
        f"tasks/{assignment.task_id}/task_events",
        f"workers/{agent.worker_id}/worker_events",
    ):
        answer = agent.call("POST", address, body)
        assert answer.status_code == 400
        assert answer.content.startswith((b"type: ", b"The body is no JSON object"))


def test_what_an_agent_says_is_kept_without_secrets() -> None:
    agent, assignment = running(env_vars={"KEY": "k3y-value"})
    agent.event(assignment.task_id, "build_failed", detail="RUN echo k3y-value\0")
    event = TaskEvent.objects.get(task=assignment.task_id, kind="agent.build_failed")
    assert event.detail == {"detail": "RUN echo [REDACTED]"}


def test_an_agent_cannot_fill_the_database_with_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("droplets.protocol.events.MOST_EVENTS", 5)
    agent, assignment = running()
    for number in range(10):
        assert agent.event(assignment.task_id, f"kind-{number}").status_code == 200
        assert agent.worker_event(f"kind-{number}").status_code == 201
    assert TaskEvent.objects.filter(assignment=assignment).count() == 5
    assert WorkerEvent.objects.filter(worker=agent.worker_id).count() == 5


def test_an_error_of_an_idle_agent_loses_the_worker() -> None:
    agent = Agent(make_worker())
    assert agent.worker_event("error").status_code == 201
    assert state_of(agent) == WorkerState.LOST


def test_an_error_before_the_item_was_handed_out_gives_the_task_to_another() -> None:
    agent, assignment = placed()
    agent.worker_event("error")
    row = Assignment.by_id(assignment.pk)
    assert (state_of(agent), row.live, row.external_id) == (WorkerState.LOST, True, None)


def test_an_error_instead_of_an_acknowledgement_ends_the_attempt() -> None:
    agent, assignment = placed()
    agent.poll()
    agent.worker_event("error")
    row = Assignment.by_id(assignment.pk)
    assert (state_of(agent), row.category) == (WorkerState.LOST, Category.AGENT_LOST)
    assert Task.objects.get(pk=assignment.task_id).state == "queued"


def test_an_error_of_an_agent_at_work_is_only_noted() -> None:
    agent, assignment = running()
    assert agent.worker_event("error").status_code == 201
    assert (state_of(agent), Assignment.by_id(assignment.pk).live) == (WorkerState.BUSY, True)
    assert WorkerEvent.objects.filter(worker=agent.worker_id, kind="agent.error").exists()


def test_the_finish_has_no_body_and_may_come_twice() -> None:
    agent, assignment = running()
    answer = agent.finish(assignment.task_id)
    assert (answer.status_code, answer.content) == (200, b"")
    first = Assignment.by_id(assignment.pk).finished_at
    assert first is not None
    assert agent.finish(assignment.task_id).status_code == 200
    assert Assignment.by_id(assignment.pk).finished_at == first


def test_leaving_is_noted_once() -> None:
    agent, assignment = running()
    for _ in range(2):
        assert agent.leave(assignment.task_id).status_code == 200
    events = WorkerEvent.objects.filter(worker=agent.worker_id, kind="runner_deleted")
    assert events.count() == 1


def test_a_large_detail_is_cut() -> None:
    agent, assignment = running()
    agent.event(assignment.task_id, "build_failed", detail="x" * 100_000)
    event = TaskEvent.objects.get(task=assignment.task_id, kind="agent.build_failed")
    assert len(json.dumps(event.detail)) < 2100
