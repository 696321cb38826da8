"""Placing: at most as many as there is room for, by priority, then age; one reaction an error."""

import time

import pytest

from dispatch.backends import NoCapacity, Rejected, Unavailable
from dispatch.controller import health
from dispatch.controller.placing import Placing
from dispatch.fake import FakeBackend
from dispatch.models import Assignment, BackendStatus, Task
from tests.dispatch.controller.conftest import queued
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def place(backend: str = "fake") -> Placing:
    """One step, and the calls that it set off."""
    placing = Placing(backend)
    placing.step()
    finish(placing)
    return placing


def finish(placing: Placing) -> None:
    """Wait for the calls under way, and let their threads' connections go."""
    wait_until(lambda: not placing._under_way)
    if placing._pool:
        placing._pool.shutdown()


def placed() -> set[str]:
    rows = Assignment.objects.exclude(external_id=None)
    return {str(row.task_id) for row in rows}


def test_it_places_what_is_queued(fake: FakeBackend) -> None:
    assignment = queued()
    place()
    assignment.refresh_from_db()
    assert assignment.external_id == f"fake-{assignment.pk}"
    assert Task.objects.get(pk=assignment.task_id).state == "assigned"


def test_it_leaves_the_task_queued_when_the_backend_is_full(fake: FakeBackend) -> None:
    fake.limit = 0
    assignment = queued()
    place()
    assignment.refresh_from_db()
    assert assignment.external_id is None


def test_the_higher_priority_goes_first_and_then_the_older_task(fake: FakeBackend) -> None:
    fake.limit = 3
    old, young, urgent, minor = queued(), queued(), queued(priority=5), queued(priority=-5)
    place()
    assert placed() == {str(row.task_id) for row in (urgent, old, young)}
    assert str(minor.task_id) not in placed()


def test_it_starts_no_more_than_there_is_room_for(fake: FakeBackend) -> None:
    fake.limit = 2
    for _ in range(5):
        queued()
    place()
    assert len(fake.held) == 2


def test_one_that_was_put_off_does_not_keep_others_from_their_place(fake: FakeBackend) -> None:
    fake.limit = 1
    put_off, other = queued(), queued()
    placing = Placing("fake")
    fake.error = NoCapacity("waiting for its image")
    placing.start(put_off)
    fake.error = None
    placing.step()
    finish(placing)
    assert placed() == {str(other.task_id)}


def test_a_rejected_task_ends_errored_with_the_message(fake: FakeBackend) -> None:
    assignment = queued()
    fake.error = Rejected("services.web.privileged: take it out")
    Placing("fake").start(assignment)
    task = Task.objects.get(pk=assignment.task_id)
    assert (task.state, task.sentence) == ("errored", "services.web.privileged: take it out")


def test_an_unavailable_backend_is_left_alone_and_asked_again(fake: FakeBackend) -> None:
    assignment = queued()
    fake.error = Unavailable("503")
    place()
    assert health.of("fake").resting
    status = BackendStatus.objects.get(name="fake")
    assert status.unavailable_since is not None and status.message == "503"
    fake.error = None
    place()
    assert not placed(), "a resting backend is not called"
    wait_until(lambda: not health.of("fake").resting)
    place()
    assert placed() == {str(assignment.task_id)}
    assert BackendStatus.objects.get(name="fake").unavailable_since is None


def test_it_waits_as_long_as_the_backend_asks(fake: FakeBackend) -> None:
    health.of("fake").failed(Unavailable("429", retry_after=30))
    status = BackendStatus.objects.get(name="fake")
    assert status.retry_at is not None and status.unavailable_since is not None
    assert (status.retry_at - status.unavailable_since).total_seconds() > 29


def test_a_bug_in_a_backend_harms_only_the_one_task(fake: FakeBackend) -> None:
    poison, other = queued(), queued()
    Assignment.objects.filter(pk=poison.pk).update(backend="fake")
    admit = fake._admit

    def explode(assignment_id: object) -> None:
        if assignment_id == poison.pk:
            raise ZeroDivisionError
        admit(assignment_id)  # type: ignore[arg-type]

    fake._admit = explode  # type: ignore[method-assign]
    place()
    assert placed() == {str(other.task_id)}


def test_a_start_that_was_never_recorded_is_repaired_by_the_next_pass(fake: FakeBackend) -> None:
    assignment = queued()
    fake.start(assignment)  # and the process dies before it writes the Placement down
    place()
    assignment.refresh_from_db()
    assert assignment.external_id == f"fake-{assignment.pk}"
    assert len(fake.held) == 1


def test_a_slow_backend_holds_up_no_other_one(fake: FakeBackend) -> None:
    started = time.monotonic()
    slow, placing = Placing("slow"), Placing("fake")
    slow._health.failed(Unavailable("timeout", retry_after=60))
    assignment = queued()
    slow.step()
    placing.step()
    finish(placing)
    assert placed() == {str(assignment.task_id)}
    assert time.monotonic() - started < 30
