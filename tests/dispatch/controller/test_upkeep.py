"""The core's other loops: a timeout is enforced from the claim, and a Task that was handed out and
never taken up does not wait for ever."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dispatch.controller.upkeep import enforce_timeouts
from dispatch.models import Assignment, Task
from dispatch.outcomes import Category
from tests.factories import make_assignment
from tests.moments import CLOSING, just_before

pytestmark = pytest.mark.django_db


def overdue(assignment: Assignment) -> None:
    past = timezone.now() - timedelta(hours=1)
    Assignment.objects.filter(pk=assignment.pk).update(deadline_at=past)


def test_a_task_that_runs_too_long_fails_and_says_what_to_change() -> None:
    assignment = make_assignment(timeout_seconds=600)
    assignment.place("here")
    assignment.claim("boot-1")
    enforce_timeouts()
    assert Assignment.by_id(assignment.pk).live
    overdue(assignment)
    enforce_timeouts()
    task = Task.objects.get(pk=assignment.task_id)
    assert (task.state, task.category) == ("failed", Category.TIMEOUT)
    assert "10 minutes" in task.sentence


def test_what_was_handed_out_and_never_taken_up_is_tried_again() -> None:
    assignment = make_assignment()
    assignment.place("here")
    assert assignment.deliver() and assignment.deadline_at is not None
    overdue(assignment)
    enforce_timeouts()
    assert Assignment.by_id(assignment.pk).category == Category.AGENT_LOST
    assert Assignment.objects.get(task=assignment.task, closed_at=None).number == 2


def test_the_claim_starts_the_timeout_anew() -> None:
    assignment = make_assignment(timeout_seconds=60)
    assignment.place("here")
    assignment.deliver()
    overdue(assignment)
    assert Assignment.by_id(assignment.pk).claim("boot-1")
    enforce_timeouts()
    assert Assignment.by_id(assignment.pk).live


def test_a_claim_that_comes_between_the_look_and_the_end_wins() -> None:
    assignment = make_assignment(timeout_seconds=60)
    assignment.place("here")
    assignment.deliver()
    overdue(assignment)
    claimant = Assignment.by_id(assignment.pk)
    with just_before(CLOSING, lambda: claimant.claim("boot-1")):
        enforce_timeouts()
    row = Assignment.by_id(assignment.pk)
    assert row.live and row.claimed_at is not None
    assert Task.objects.get(pk=assignment.task_id).state == "running"
