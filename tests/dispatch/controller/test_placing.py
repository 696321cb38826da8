"""Placing: at most as many as there is room for, by priority, then age; one reaction an error."""

import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import pytest
from pytest_django import Settings

from dispatch import backends
from dispatch.backends import (
    BackendEntry,
    Capacity,
    NoCapacity,
    Placement,
    Rejected,
    Unavailable,
    Waits,
)
from dispatch.controller import health
from dispatch.controller.placing import Placing
from dispatch.fake import FakeBackend
from dispatch.models import Assignment, BackendStatus, Task
from dispatch.waiting import let_go_on
from tests.dispatch.controller.conftest import finish, place, queued
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_one_that_waits_for_another_is_not_tried_again_and_keeps_nobody_back(
    fake: FakeBackend,
) -> None:
    waiting, *others = [queued() for _ in range(4)]
    fake.errors[waiting.pk] = Waits("waiting for an image", "the image")
    fake.limit = 3
    for _ in range(2):
        place()
    assert placed() == {str(row.task_id) for row in others}
    row = Assignment.by_id(waiting.pk)
    assert (row.waits_for, row.pending) == ("the image", "waiting for an image")
    assert row.start_tried_at is None
    del fake.errors[waiting.pk]
    fake.limit = 10
    place()
    assert len(placed()) == 3
    assert not BackendStatus.objects.filter(unavailable_since__isnull=False).exists()


def test_it_is_placed_as_soon_as_there_is_nothing_to_wait_for(fake: FakeBackend) -> None:
    waiting = queued()
    fake.errors[waiting.pk] = Waits("waiting for an image", "the image")
    placing = place()
    fake.errors.clear()
    let_go_on("fake", ["the image"])
    placing._pool = None
    placing.step()
    finish(placing)
    assert placed() == {str(waiting.task_id)}


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


class BatchFake(FakeBackend):
    """Starts many at once; `batches` counts them, and `poison` is one that it cannot stand."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.poison: UUID | None = None

    def capacity(self) -> Capacity:
        """It thinks that it has more room than it has."""
        return Capacity(free=10)

    def start(self, assignment: Assignment) -> Placement:
        if assignment.pk == self.poison:
            raise ZeroDivisionError
        return super().start(assignment)

    def start_all(self, assignments: Sequence[Assignment]) -> dict[UUID, Placement]:
        self.batches.append(len(assignments))
        found = {}
        for assignment in assignments:
            with suppress(NoCapacity):
                found[assignment.pk] = self.start(assignment)
        return found


BATCH_ENTRY = BackendEntry(title="Batch", backend=BatchFake)


@pytest.fixture
def batch(fake: FakeBackend, settings: Settings) -> BatchFake:
    settings.BACKENDS = {"fake": f"{__name__}.BATCH_ENTRY"}
    backends.forget()
    backend = backends.get("fake")
    assert isinstance(backend, BatchFake)
    return backend


def test_a_backend_that_can_starts_many_together(batch: BatchFake) -> None:
    rows = [queued() for _ in range(5)]
    place()
    assert batch.batches == [5]
    assert placed() == {str(row.task_id) for row in rows}
    assert set(Task.objects.values_list("state", flat=True)) == {"assigned"}


def test_what_a_batch_leaves_out_stays_queued_and_comes_again(batch: BatchFake) -> None:
    batch.limit = 1
    first, second = queued(), queued()
    placing = place()
    assert placed() == {str(first.task_id)}
    assert second.pk in placing._setbacks.passed_over()
    batch.limit = 2
    place()
    assert placed() == {str(first.task_id), str(second.task_id)}


def test_a_bug_that_one_of_a_batch_meets_harms_only_that_one(batch: BatchFake) -> None:
    first, poison, last = queued(), queued(), queued()
    batch.poison = poison.pk
    place()
    assert placed() == {str(first.task_id), str(last.task_id)}


def test_a_batch_that_meets_an_unavailable_backend_counts_as_one_failure(batch: BatchFake) -> None:
    queued(), queued()
    batch.error = Unavailable("503")
    Placing("fake")._run(list(Assignment.queued("fake")))
    assert BackendStatus.objects.get(name="fake").failures == 1
    assert not placed()
