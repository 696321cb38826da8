"""Late reports change nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from dispatch.models import (
    Artifact,
    Assignment,
    LogStream,
    RefusedReport,
    ResultFile,
    SuiteRun,
    Task,
)
from dispatch.outcomes import Category
from tests.droplets.protocol.agent import Agent, rspec, running, trailer

pytestmark = pytest.mark.django_db

Ending = Callable[[Assignment], Any]


def passes(assignment: Assignment) -> None:
    assert assignment.close(Category.PASSED)


def finishes(assignment: Assignment) -> None:
    """Closed without a verdict, but after the agent's own finish, and as the last attempt."""
    rows = Assignment.objects.filter(pk=assignment.pk)
    rows.update(finished_at=assignment.claimed_at, purpose="shadow")
    assert Assignment.by_id(assignment.pk).close(Category.NO_VERDICT)


def is_cancelled(assignment: Assignment) -> None:
    assert Task.objects.get(pk=assignment.task_id).cancel(actor="rails")


def is_superseded(assignment: Assignment) -> None:
    assert assignment.close(Category.AGENT_LOST)
    assert assignment.superseded


def is_superseded_after_its_finish(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(finished_at=assignment.claimed_at)
    assert assignment.close(Category.NO_VERDICT)


def times_out(assignment: Assignment) -> None:
    assert assignment.close(Category.TIMEOUT)


BY_ITSELF = [passes, finishes]
BY_US = [is_cancelled, is_superseded, is_superseded_after_its_finish, times_out]


def facts(assignment: Assignment) -> tuple[Any, ...]:
    """All of the row and its Task but the time of the finish, which is for display."""
    row = Assignment.by_id(assignment.pk)
    columns = {name: value for name, value in vars(row).items() if not name.startswith("_")}
    columns.pop("finished_at")
    task = Task.objects.get(pk=assignment.task_id)
    return columns, task.state, task.category, task.sentence


def reports(agent: Agent, task_id: object) -> dict[str, int]:
    answers = {
        "event": agent.event(task_id, "test_suite_started"),
        "results": agent.results(task_id, rspec(9, failures=9)),
        "screenshot": agent.report(
            task_id, "test_failure_screenshots", b"png", **{"X-Filename": "a.png"}
        ),
        "finish": agent.finish(task_id),
    }
    return {name: answer.status_code for name, answer in answers.items()}


@pytest.mark.parametrize("ending", BY_ITSELF)
def test_after_its_own_end_an_agent_may_still_show_things(ending: Ending) -> None:
    agent, assignment = running()
    ending(assignment)
    before = facts(assignment)
    assert set(reports(agent, assignment.task_id).values()) == {200}
    assert agent.finish(assignment.task_id).status_code == 200
    assert facts(assignment) == before
    assert ResultFile.objects.get().failure_count == 9
    assert Artifact.objects.get().name == "a.png"
    assert not RefusedReport.objects.exists()


@pytest.mark.parametrize("ending", BY_US)
def test_after_another_end_everything_but_logs_is_refused_and_kept(ending: Ending) -> None:
    agent, assignment = running()
    ending(assignment)
    before = facts(assignment)
    assert set(reports(agent, assignment.task_id).values()) == {409}
    assert facts(assignment) == before
    assert not ResultFile.objects.exists() and not Artifact.objects.exists()
    kept = RefusedReport.objects.filter(assignment=assignment).order_by("id")
    assert [row.kind for row in kept] == [
        "event test_suite_started", "results", "screenshot", "finish"
    ]  # fmt: skip
    assert bytes(kept[1].body) == rspec(9, failures=9)


@pytest.mark.parametrize("ending", BY_ITSELF + BY_US)
def test_logs_are_taken_at_any_time_and_decide_nothing(ending: Ending) -> None:
    agent, assignment = running()
    ending(assignment)
    before = facts(assignment)
    assert agent.log(assignment.task_id, "system_logs", b"late\n").status_code == 200
    assert agent.log(assignment.task_id, "test_output", b"late\n").status_code == 200
    assert LogStream.objects.filter(assignment=assignment, length=5).count() == 2
    assert facts(assignment) == before


@pytest.mark.parametrize("ending", BY_ITSELF + BY_US)
def test_an_agent_may_leave_at_any_time(ending: Ending) -> None:
    agent, assignment = running()
    ending(assignment)
    assert agent.leave(assignment.task_id).status_code == 200


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("ending", BY_ITSELF + BY_US)
def test_a_late_exit_code_is_stored_apart_and_flagged(ending: Ending, code: int) -> None:
    agent, assignment = running()
    ending(assignment)
    task = Task.objects.get(pk=assignment.task_id)
    agent.log(assignment.task_id, "test_output", trailer(code))
    agent.log(assignment.task_id, "test_output", b"\n")
    row = Assignment.by_id(assignment.pk)
    assert (row.exit_code, row.late_exit_code) == (None, code)
    flags = task.events.filter(kind="agent.late_exit_code")
    assert [event.detail["exit_code"] for event in flags] == [code]
    assert Task.objects.get(pk=assignment.task_id).state == task.state


def test_the_same_exit_code_again_is_no_news() -> None:
    agent, assignment = running()
    agent.log(assignment.task_id, "test_output", trailer(0))
    agent.results(assignment.task_id, rspec(1))
    agent.log(assignment.task_id, "test_output", b"\n")
    row = Assignment.by_id(assignment.pk)
    assert (row.category, row.exit_code, row.late_exit_code) == (Category.PASSED, 0, None)


def test_a_superseded_agents_results_do_not_reach_the_next_attempt() -> None:
    agent, assignment = running()
    is_superseded(assignment)
    agent.log(assignment.task_id, "test_output", trailer(0))
    agent.results(assignment.task_id, rspec(3))
    successor = Assignment.objects.get(task=assignment.task_id, closed_at=None)
    assert (successor.number, successor.reported_at, successor.exit_code) == (2, None, None)
    assert Task.objects.get(pk=assignment.task_id).state == "queued"


def test_a_superseded_agent_gets_no_token_and_counts_nothing() -> None:
    agent, assignment = running()
    is_superseded(assignment)
    suite_run = assignment.task.suite_run
    body = b'{"dry_run_example_count":7}'
    answer = agent.call("PATCH", f"test_suite_runs/{suite_run.suite_run_id}", body)
    assert answer.status_code == 409
    assert SuiteRun.objects.get(pk=suite_run.pk).dry_run_example_count is None
    answer = agent.call("POST", "github_tokens", b'{"github_installation_id":""}')
    assert (answer.status_code, answer.content) == (403, b"")
