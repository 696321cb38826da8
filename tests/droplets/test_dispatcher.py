"""The claim: one Worker, one Assignment, one Task and both events, or nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from dispatch.models import Assignment, Task, TaskEvent
from dispatch.outcomes import Category
from droplets import dispatcher
from droplets.models import Worker, WorkerEvent, WorkerState
from tests.droplets.factories import make_worker
from tests.factories import make_assignment

Claim = Callable[[Assignment], UUID | None]


def claim_in_one_transaction(assignment: Assignment) -> UUID | None:
    return dispatcher._claim_in_one_transaction([assignment]).get(assignment.pk)


BOTH = [claim_in_one_transaction, dispatcher.claim]
BOTH_FOR_MANY = [dispatcher._claim_in_one_transaction, dispatcher.claim_all]


def outcome(assignment: Assignment) -> dict[str, Any]:
    """All that a claim wrote, without what differs from run to run."""
    event = TaskEvent.objects.filter(task=assignment.task).order_by("-seq").first()
    worker = Worker.objects.filter(assignment_id=assignment.pk).first()
    assert event is not None
    story = WorkerEvent.objects.filter(worker=worker).values_list("kind", "detail")
    placed = Assignment.by_id(assignment.pk)
    return {
        "event": (event.seq, event.kind, event.assignment_id == assignment.pk),
        "detail": {key: event.detail.get(key) for key in ("attempt", "backend")},
        "placed": placed.external_id == str(worker and worker.pk) and placed.placed_at is not None,
        "worker": (worker.state, worker.assigned_at == placed.placed_at) if worker else None,
        "story": [(k, d.get("assignment") == str(assignment.pk)) for k, d in story],
        "task": (Task.objects.get(pk=assignment.task_id).state, event.seq),
    }


@pytest.mark.django_db
def test_both_databases_write_the_same() -> None:
    """On SQLite both are the transaction; on PostgreSQL it is compared with the statement."""
    results = []
    for claim in BOTH:
        make_worker(ready_at=timezone.now())
        assignment = make_assignment()
        assert claim(assignment)
        results.append(outcome(assignment))
    assert results[0] == results[1]
    assert results[0]["task"] == ("assigned", 2)
    assert results[0]["worker"] == ("busy", True)


@pytest.mark.django_db
@pytest.mark.parametrize("claim", BOTH)
def test_the_worker_that_waited_longest_is_taken(claim: Claim) -> None:
    late = make_worker(ready_at=timezone.now())
    early = make_worker(ready_at="2020-01-01T00:00:00Z")
    assert claim(make_assignment()) == early.pk
    assert claim(make_assignment()) == late.pk


@pytest.mark.django_db
@pytest.mark.parametrize("claim", BOTH)
def test_nothing_is_written_where_nobody_is_idle(claim: Claim) -> None:
    make_worker(WorkerState.PROVISIONING)
    make_worker(drain_requested_at=timezone.now(), ready_at=timezone.now())
    assignment = make_assignment()
    assert claim(assignment) is None
    assert Assignment.by_id(assignment.pk).external_id is None
    assert WorkerEvent.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("claim", BOTH)
def test_a_closed_assignment_takes_no_worker(claim: Claim) -> None:
    worker = make_worker(ready_at=timezone.now())
    assignment = make_assignment()
    Assignment.by_id(assignment.pk).close(Category.CANCELLED)
    assert claim(assignment) is None
    worker.refresh_from_db()
    assert (worker.state, worker.assignment_id) == (WorkerState.IDLE, None)


@pytest.mark.django_db
@pytest.mark.parametrize("claim", BOTH)
def test_a_shadow_assignment_takes_a_worker_and_leaves_its_task_alone(claim: Claim) -> None:
    make_worker(ready_at=timezone.now())
    task = make_assignment().task
    shadow = Assignment.objects.create(task=task, number=2, purpose="shadow", backend="droplets")
    assert claim(shadow)
    task.refresh_from_db()
    assert (task.state, task.event_seq) == ("queued", 1)


@pytest.mark.django_db(transaction=True)
def test_many_claims_at_once_give_each_worker_one_assignment() -> None:
    workers = [make_worker(ready_at=timezone.now()).pk for _ in range(12)]
    assignments = [make_assignment() for _ in range(20)]

    def claim(assignment: Assignment) -> UUID | None:
        try:
            return dispatcher.claim(assignment)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        taken = [worker for worker in pool.map(claim, assignments * 2) if worker]
    assert sorted(taken) == sorted(workers)
    placed = Assignment.objects.exclude(external_id=None)
    assert {row.external_id for row in placed} == {str(worker) for worker in workers}


@pytest.mark.django_db
@pytest.mark.parametrize("claim_all", BOTH_FOR_MANY)
def test_of_many_the_most_urgent_and_oldest_get_the_workers(claim_all: Any) -> None:
    late = make_worker(ready_at=timezone.now())
    early = make_worker(ready_at="2020-01-01T00:00:00Z")
    old, young, urgent = make_assignment(), make_assignment(), make_assignment(priority=3)
    assert claim_all([young, urgent, old]) == {urgent.pk: early.pk, old.pk: late.pk}
    assert claim_all([young, urgent, old]) == {}


@pytest.mark.django_db
@pytest.mark.parametrize("claim_all", BOTH_FOR_MANY)
def test_many_at_once_write_what_each_writes_alone(claim_all: Any) -> None:
    assignments = [make_assignment() for _ in range(3)]
    for _ in assignments:
        make_worker(ready_at=timezone.now())
    closed = make_assignment()
    Assignment.by_id(closed.pk).close(Category.CANCELLED)
    assert claim_all([closed, *assignments]).keys() == {row.pk for row in assignments}
    alone = make_assignment()
    make_worker(ready_at=timezone.now())
    assert claim_in_one_transaction(alone)
    assert [outcome(row) for row in assignments] == [outcome(alone)] * 3
    assert len({event.pk for event in TaskEvent.objects.filter(kind="task.assigned")}) == 4


@pytest.mark.django_db(transaction=True)
def test_claims_for_many_at_once_share_the_workers_out() -> None:
    workers = [make_worker(ready_at=timezone.now()).pk for _ in range(12)]
    assignments = [make_assignment() for _ in range(20)]

    def claim(batch: list[Assignment]) -> dict[UUID, UUID]:
        try:
            return dispatcher.claim_all(batch)
        finally:
            connection.close()

    overlapping = [assignments[first : first + 8] for first in range(0, 20, 4)] * 2
    with ThreadPoolExecutor(6) as pool:
        taken = [pair for found in pool.map(claim, overlapping) for pair in found.items()]
    assert len(taken) == len(dict(taken)) == len({worker for _, worker in taken})
    placed = Assignment.objects.exclude(external_id=None)
    assert {row.pk: UUID(row.external_id) for row in placed} == dict(taken)
    assert set(dict(taken).values()) <= set(workers)
    assert dispatcher.claim_all(assignments).keys().isdisjoint(dict(taken))
    assert not Worker.objects.filter(state=WorkerState.IDLE).exists()
