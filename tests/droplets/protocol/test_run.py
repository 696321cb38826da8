"""One run from the first call to the last, over both path families."""

import pytest

from dispatch.models import Assignment, Task
from droplets.models import Worker, WorkerState
from tests.droplets.factories import make_worker
from tests.droplets.protocol.agent import Agent, placed, rspec, running, trailer

pytestmark = pytest.mark.django_db


def state_of(assignment: Assignment) -> str:
    return Task.objects.get(pk=assignment.task_id).state


@pytest.mark.parametrize("family", ["run", "task"])
def test_a_whole_run_passes(family: str) -> None:
    agent, assignment = running()
    agent.family, task_id = family, assignment.task_id
    assert state_of(assignment) == "running"
    for kind in ("runner_ready", "repository_cloned", "pre_script_started", "pre_script_finished"):
        assert agent.event(task_id, kind).status_code == 200
    assert agent.log(task_id, "system_logs", b"a\n\nb\n\n").status_code == 200
    assert agent.event(task_id, "test_suite_started").status_code == 200
    assert agent.log(task_id, "test_output", b"..." + trailer(0)).status_code == 200
    answer = agent.results(task_id, rspec(3))
    assert (answer.status_code, answer.json()) == (200, {"test_case_run_count": 3})
    assert state_of(assignment) == "passed"
    assert agent.finish(task_id).status_code == 200
    assert agent.leave(task_id).status_code == 200
    row = Assignment.by_id(assignment.pk)
    assert (row.exit_code, row.example_count, row.failure_count) == (0, 3, 0)
    assert None not in (row.claimed_at, row.cloned_at, row.built_at, row.services_ready_at)
    assert None not in (row.tests_started_at, row.reported_at, row.finished_at)


def test_the_ready_signal_makes_a_worker_idle() -> None:
    worker = make_worker(WorkerState.PROVISIONING)
    assert Agent(worker).worker_event("ready_signal_received").status_code == 201
    worker.refresh_from_db()
    assert worker.state == WorkerState.IDLE
    assert worker.ready_at is not None and worker.last_seen_at is not None


def test_the_item_is_given_until_the_task_ends() -> None:
    agent, assignment = placed()
    for _ in range(3):
        assert [item["task_id"] for item in agent.poll().json()] == [str(assignment.task_id)]
    agent.worker_event("assignment_acknowledged")
    assert len(agent.poll().json()) == 1
    Task.objects.get(pk=assignment.task_id).cancel(actor="rails")
    assert agent.poll().json() == []
    assert Worker.objects.get(pk=agent.worker_id).assignment_id == assignment.pk
