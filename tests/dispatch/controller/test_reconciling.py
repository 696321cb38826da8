"""Reconciliation: closed here is stopped over there until nothing is held; ended there closes."""

import pytest

from dispatch.backends import Sighting, Unavailable
from dispatch.controller import health
from dispatch.controller.reconciling import settle
from dispatch.fake import FakeBackend
from dispatch.models import Assignment, BackendStatus, Task, TaskEvent
from dispatch.outcomes import Category
from tests.dispatch.controller.conftest import queued, reconcile
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def running(fake: FakeBackend) -> Assignment:
    assignment = queued()
    assignment.place(fake.start(assignment).external_id)
    return assignment


def test_what_is_closed_is_stopped_and_then_released(fake: FakeBackend) -> None:
    assignment = running(fake)
    assignment.close(Category.PASSED)
    reconcile()
    assert assignment.pk not in fake.held
    assert Assignment.by_id(assignment.pk).released_at is None, "not before it was seen gone"
    reconcile()
    assert Assignment.by_id(assignment.pk).released_at is not None


def test_one_that_was_cancelled_while_queued_is_released_too(fake: FakeBackend) -> None:
    assignment = queued()
    assignment.task.cancel(actor="rails")
    reconcile()
    assert Assignment.by_id(assignment.pk).released_at is not None


def test_a_start_that_lost_the_race_against_a_cancel_is_stopped(fake: FakeBackend) -> None:
    assignment = queued()
    fake.start(assignment)
    assignment.task.cancel(actor="rails")
    assert not Assignment.by_id(assignment.pk).place("too late")
    reconcile()
    reconcile()
    assert not fake.held
    assert Assignment.by_id(assignment.pk).released_at is not None


def test_what_ended_over_there_without_a_verdict_is_closed_and_tried_again(
    fake: FakeBackend,
) -> None:
    assignment = running(fake)
    fake.ended[assignment.pk] = Category.UNKNOWN
    reconcile()
    assert Assignment.by_id(assignment.pk).category == Category.UNKNOWN
    assert Task.objects.get(pk=assignment.task_id).state == "queued"
    assert Assignment.objects.get(task=assignment.task, closed_at=None).number == 2


def test_what_was_seen_at_the_end_is_kept_once_and_before_anything_is_stopped(
    fake: FakeBackend,
) -> None:
    assignment = running(fake)
    fake.ended[assignment.pk] = Category.EVICTED
    fake.seen[assignment.pk] = {"events": [{"reason": "Evicted"}]}
    reconcile()
    reconcile()
    events = TaskEvent.objects.filter(task_id=assignment.task_id, kind="backend.ended")
    assert [event.detail for event in events] == [{"seen": {"events": [{"reason": "Evicted"}]}}]
    assert events[0].assignment_id == assignment.pk


def test_who_comes_too_late_keeps_nothing(fake: FakeBackend) -> None:
    assignment = running(fake)
    seen_before = Assignment.by_id(assignment.pk)
    Assignment.by_id(assignment.pk).close(Category.PASSED)
    late = Sighting(
        assignment_id=assignment.pk, holds=True, ended=Category.EVICTED, seen={"events": []}
    )
    settle(seen_before, late)
    assert not TaskEvent.objects.filter(kind="backend.ended").exists()


def test_a_live_one_is_left_alone(fake: FakeBackend) -> None:
    assignment = running(fake)
    reconcile()
    assert Assignment.by_id(assignment.pk).live
    assert assignment.pk in fake.held


def test_a_stop_that_fails_is_repeated(fake: FakeBackend) -> None:
    assignment = running(fake)
    assignment.close(Category.PASSED)
    fake.error = Unavailable("timeout")
    reconcile()
    fake.error = None
    wait_until(lambda: not health.of("fake", health.LOOKING).resting)
    reconcile()
    reconcile()
    assert Assignment.by_id(assignment.pk).released_at is not None


def test_a_pass_in_which_everything_worked_shows_the_backend_available_again(
    fake: FakeBackend,
) -> None:
    running(fake)
    fake.error = Unavailable("timeout")
    reconcile()
    assert BackendStatus.objects.get(name="fake").unavailable_since is not None
    fake.error = None
    wait_until(lambda: not health.of("fake", health.LOOKING).resting)
    reconcile()
    assert BackendStatus.objects.get(name="fake").unavailable_since is None


def test_it_keeps_why_the_backend_does_not_run_it_yet_and_since_when(fake: FakeBackend) -> None:
    assignment = running(fake)
    fake.pending[assignment.pk] = "no node has room"
    reconcile()
    first = Assignment.by_id(assignment.pk)
    assert first.pending == "no node has room" and first.pending_since is not None
    fake.pending[assignment.pk] = "pulling an image"
    reconcile()
    other = Assignment.by_id(assignment.pk)
    assert (other.pending, other.pending_since) == ("pulling an image", first.pending_since)
    del fake.pending[assignment.pk]
    reconcile()
    last = Assignment.by_id(assignment.pk)
    assert (last.pending, last.pending_since) == ("", None)
