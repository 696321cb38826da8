"""The loop that looks again at reports which were not complete when they came."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dispatch.models import Assignment, LogChunk, Task
from dispatch.outcomes import Category
from droplets import judging
from droplets.models import Worker
from tests.droplets.protocol.agent import rspec, running

pytestmark = pytest.mark.django_db

TIMES = ("claimed_at", "heard_at", "reported_at", "finished_at")


def let_pass(assignment: Assignment, seconds: float) -> None:
    """Everything that was heard so far was heard that much earlier."""
    by = timedelta(seconds=seconds)
    row = Assignment.by_id(assignment.pk)
    known = {name: getattr(row, name) - by for name in TIMES if getattr(row, name)}
    Assignment.objects.filter(pk=row.pk).update(**known)
    for chunk in LogChunk.objects.filter(stream__assignment=row.pk):
        LogChunk.objects.filter(pk=chunk.pk).update(at=chunk.at - by)
    worker = Worker.objects.get(assignment_id=row.pk)
    assert worker.last_seen_at is not None
    Worker.objects.filter(pk=worker.pk).update(last_seen_at=worker.last_seen_at - by)


def category_after(assignment: Assignment, seconds: float) -> str:
    let_pass(assignment, seconds)
    judging.judge_all()
    return Assignment.by_id(assignment.pk).category


def test_a_finish_without_an_exit_code_passes_ten_seconds_later() -> None:
    agent, assignment = running()
    agent.results(assignment.task_id, rspec(2))
    agent.finish(assignment.task_id)
    assert category_after(assignment, 9) == ""
    assert category_after(assignment, 1.1) == Category.PASSED


def test_results_without_the_rest_are_no_verdict_after_a_minute_of_silence() -> None:
    agent, assignment = running()
    agent.results(assignment.task_id, rspec(2))
    assert category_after(assignment, 59) == ""
    assert category_after(assignment, 1.1) == Category.NO_VERDICT
    assert Task.objects.get(pk=assignment.task_id).state == "queued"


def test_a_finish_without_results_is_no_verdict_after_a_minute_of_silence() -> None:
    agent, assignment = running()
    agent.event(assignment.task_id, "repository_cloned")
    agent.finish(assignment.task_id)
    assert category_after(assignment, 59) == ""
    assert category_after(assignment, 1.1) == Category.NO_VERDICT


def test_logs_break_the_silence() -> None:
    agent, assignment = running()
    agent.finish(assignment.task_id)
    assert category_after(assignment, 50) == ""
    agent.log(assignment.task_id, "system_logs", b"still here\n")
    assert category_after(assignment, 50) == ""
    assert category_after(assignment, 11) == Category.NO_VERDICT


def test_a_quiet_suite_is_left_alone() -> None:
    agent, assignment = running()
    agent.event(assignment.task_id, "test_suite_started")
    assert category_after(assignment, 7200) == ""


def test_a_pre_script_that_failed_is_the_customers_failure() -> None:
    agent, assignment = running()
    agent.event(assignment.task_id, "pre_script_started")
    agent.finish(assignment.task_id)
    row = Assignment.by_id(assignment.pk)
    assert row.category == Category.PRE_SCRIPT_FAILED
    assert Task.objects.get(pk=assignment.task_id).state == "failed"


@pytest.mark.parametrize(
    "event,category,state",
    [
        ("build_failed", Category.BUILD_FAILED, "failed"),
        ("timed_out", Category.TIMEOUT, "failed"),
        ("clone_failed", Category.NO_VERDICT, "queued"),
        ("agent_error", Category.NO_VERDICT, "queued"),
    ],
)
def test_what_our_own_agent_says_decides_with_its_finish(
    event: str, category: str, state: str
) -> None:
    agent, assignment = running()
    agent.event(assignment.task_id, event, detail="step 3: RUN false")
    assert Assignment.by_id(assignment.pk).live
    agent.finish(assignment.task_id)
    row = Assignment.by_id(assignment.pk)
    assert (row.category, "step 3: RUN false" in row.sentence) == (category, True)
    assert Task.objects.get(pk=assignment.task_id).state == state


def test_a_third_attempt_without_a_verdict_ends_the_task() -> None:
    agent, assignment = running()
    Assignment.objects.filter(pk=assignment.pk).update(number=3)
    for number in (1, 2):
        Assignment.objects.create(
            task=assignment.task, number=number, backend="droplets", closed_at=timezone.now()
        )
    agent.finish(assignment.task_id)
    assert category_after(assignment, 61) == Category.NO_VERDICT
    assert Task.objects.get(pk=assignment.task_id).state == "errored"
