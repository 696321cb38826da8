"""The Dispatcher: matches queued Assignments with idle Workers, in one guarded statement.

It is the only door beside `Task.move` and `Worker.move`: PostgreSQL does it all in one
data-modifying statement with SKIP LOCKED, SQLite does the same in one IMMEDIATE transaction.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from dispatch import prepared
from dispatch.ids import new_id
from dispatch.models import Assignment
from dispatch.outcomes import TaskState
from droplets.models import Worker, WorkerState

# Parameters: ids of Assignments, as many ids for events, and the time.
#
# Rows are looked up by id alone. With statistics from a time when the queue was short, PostgreSQL
# would rather read an index of everything queued: so `asked` filters later, and 'queued' is a
# subquery, for which no partial index fits. The index workers_idle gives the idle Workers in order.
#
# An Assignment that somebody closes at this moment is passed over: waiting for it while others are
# held could lock both up.
CLAIM = """
WITH asked AS MATERIALIZED (
    SELECT id, event_id, priority, task_id, external_id, closed_at
    FROM dispatch_assignment
    JOIN unnest(%s::uuid[], %s::uuid[]) AS given (id, event_id) USING (id)
    FOR NO KEY UPDATE OF dispatch_assignment SKIP LOCKED
), wanted AS (
    SELECT id, event_id, row_number() OVER (ORDER BY priority DESC, task_id) AS place
    FROM asked WHERE external_id IS NULL AND closed_at IS NULL
), candidate AS (
    SELECT id, row_number() OVER (ORDER BY ready_at, id) AS place
    FROM (
        SELECT id, ready_at FROM droplets_worker
        WHERE state = 'idle' AND drain_requested_at IS NULL
        ORDER BY ready_at, id LIMIT (SELECT count(*) FROM wanted) FOR UPDATE SKIP LOCKED
    ) AS idle
), assigned AS (
    UPDATE dispatch_assignment
    SET external_id = candidate.id::text, placed_at = %s
    FROM wanted JOIN candidate USING (place)
    WHERE dispatch_assignment.id = wanted.id
    RETURNING dispatch_assignment.id, task_id, number, purpose, backend, external_id,
              placed_at, candidate.id AS worker_id, event_id
), worker AS (
    UPDATE droplets_worker
    SET state = 'busy', assignment_id = assigned.id, assigned_at = placed_at
    FROM assigned WHERE droplets_worker.id = assigned.worker_id
), worker_event AS (
    INSERT INTO droplets_workerevent (worker_id, kind, detail, at)
    SELECT worker_id, 'worker.busy', jsonb_build_object('assignment', id), placed_at
    FROM assigned
), task AS (
    UPDATE dispatch_task SET state = 'assigned', event_seq = event_seq + 1
    FROM assigned
    WHERE dispatch_task.id = assigned.task_id AND assigned.purpose = 'primary'
      AND state = (SELECT 'queued')
    RETURNING dispatch_task.id, event_seq
), task_event AS (
    INSERT INTO dispatch_taskevent (id, task_id, assignment_id, seq, kind, detail, at)
    SELECT event_id, task_id, assigned.id, event_seq, 'task.assigned',
           jsonb_build_object('attempt', number, 'backend', backend, 'external_id', external_id),
           placed_at
    FROM task JOIN assigned ON assigned.task_id = task.id
)
SELECT id, worker_id FROM assigned
"""


def claim(assignment: Assignment) -> UUID | None:
    """Give the Assignment to the Worker that has been ready for longest. Its id; None where no
    Worker is idle, or the Assignment is placed or closed already."""
    return claim_all([assignment]).get(assignment.pk)


def claim_all(assignments: Sequence[Assignment]) -> dict[UUID, UUID]:
    """The Worker of each Assignment that got one, the most urgent and oldest first.

    Sets Worker, Assignment, Task and both events of each, or nothing of any.
    """
    if connection.vendor == "postgresql":
        return _claim_in_one_statement(assignments)
    return _claim_in_one_transaction(assignments)


def _claim_in_one_statement(assignments: Sequence[Assignment]) -> dict[UUID, UUID]:
    ids = [assignment.pk for assignment in assignments]
    events = [new_id() for _ in ids]
    return dict(prepared.run(CLAIM, [ids, events, timezone.now()]))


def _claim_in_one_transaction(assignments: Sequence[Assignment]) -> dict[UUID, UUID]:
    with transaction.atomic():
        urgent_first = sorted(assignments, key=lambda row: (-row.priority, row.task_id))
        pairs = [(assignment.pk, _claim_one(assignment)) for assignment in urgent_first]
        return {assignment_id: worker_id for assignment_id, worker_id in pairs if worker_id}


def _claim_one(assignment: Assignment) -> UUID | None:
    idle = Worker.objects.filter(state=WorkerState.IDLE, drain_requested_at=None)
    worker_id = idle.order_by("ready_at", "id").values_list("id", flat=True).first()
    if worker_id is None:
        return None
    changes = {"external_id": str(worker_id), "placed_at": timezone.now()}
    rows = Assignment.objects.filter(pk=assignment.pk, external_id=None, closed_at=None)
    if not rows.update(**changes):
        return None
    busy = {"assignment_id": assignment.pk, "assigned_at": changes["placed_at"]}
    Worker.move(worker_id, WorkerState.BUSY, changes=busy, assignment=str(assignment.pk))
    facts = {"backend": assignment.backend, "external_id": str(worker_id)}
    assignment.move_task(TaskState.ASSIGNED, **facts)
    return worker_id
