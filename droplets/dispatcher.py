"""The Dispatcher: matches one queued Assignment with one idle Worker, in one guarded statement.

It is the only door beside `Task.move` and `Worker.move`: PostgreSQL does it all in one
data-modifying statement with SKIP LOCKED, SQLite does the same in one IMMEDIATE transaction.
"""

import json
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from dispatch.ids import new_id
from dispatch.models import Assignment
from dispatch.outcomes import TaskState
from droplets.models import Worker, WorkerState

CLAIM = """
WITH candidate AS (
    SELECT id FROM droplets_worker
    WHERE state = 'idle' AND drain_requested_at IS NULL
    ORDER BY ready_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
), assigned AS (
    UPDATE dispatch_assignment SET external_id = candidate.id::text, placed_at = %(now)s
    FROM candidate
    WHERE dispatch_assignment.id = %(assignment)s
      AND external_id IS NULL AND closed_at IS NULL
    RETURNING dispatch_assignment.id, task_id, number, purpose, backend, external_id
), worker AS (
    UPDATE droplets_worker
    SET state = 'busy', assignment_id = assigned.id, assigned_at = %(now)s
    FROM assigned, candidate WHERE droplets_worker.id = candidate.id
    RETURNING droplets_worker.id
), worker_event AS (
    INSERT INTO droplets_workerevent (worker_id, kind, detail, at)
    SELECT worker.id, 'worker.busy', %(worker_detail)s::jsonb, %(now)s FROM worker
), task AS (
    UPDATE dispatch_task SET state = 'assigned', event_seq = event_seq + 1
    FROM assigned
    WHERE dispatch_task.id = assigned.task_id AND assigned.purpose = 'primary'
      AND state = 'queued'
    RETURNING dispatch_task.id, event_seq
), task_event AS (
    INSERT INTO dispatch_taskevent (id, task_id, assignment_id, seq, kind, detail, at)
    SELECT %(event)s, task.id, assigned.id, task.event_seq, 'task.assigned',
           jsonb_build_object('attempt', assigned.number, 'backend', assigned.backend,
                              'external_id', assigned.external_id), %(now)s
    FROM task, assigned
)
SELECT id FROM worker
"""


def claim(assignment: Assignment) -> UUID | None:
    """Give the Assignment to the Worker that has been ready for longest.

    Sets Worker, Assignment, Task and both events, or nothing. The Worker's id; None where no
    Worker is idle, or the Assignment is placed or closed already.
    """
    if connection.vendor == "postgresql":
        return _claim_in_one_statement(assignment)
    return _claim_in_one_transaction(assignment)


def _claim_in_one_statement(assignment: Assignment) -> UUID | None:
    values: dict[str, Any] = {
        "assignment": assignment.pk,
        "now": timezone.now(),
        "event": new_id(),
        "worker_detail": json.dumps({"assignment": str(assignment.pk)}),
    }
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, values)
        row = cursor.fetchone()
    return UUID(str(row[0])) if row else None


def _claim_in_one_transaction(assignment: Assignment) -> UUID | None:
    with transaction.atomic():
        idle = Worker.objects.filter(state=WorkerState.IDLE, drain_requested_at=None)
        worker_id = idle.order_by("ready_at", "id").values_list("id", flat=True).first()
        if worker_id is None:
            return None
        changes = {"external_id": str(worker_id), "placed_at": timezone.now()}
        rows = Assignment.objects.filter(pk=assignment.pk, external_id=None, closed_at=None)
        if not rows.update(**changes):
            return None
        busy = {"assignment_id": assignment.pk, "assigned_at": changes["placed_at"]}
        detail = {"assignment": str(assignment.pk)}
        Worker.move(worker_id, WorkerState.BUSY, changes=busy, **detail)
        facts = {"backend": assignment.backend, "external_id": str(worker_id)}
        assignment.move_task(TaskState.ASSIGNED, **facts)
        return worker_id
