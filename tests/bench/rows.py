"""Rows in bulk: copies of one real row each, made by the database itself.

All columns but those that are named are copied, so this follows the models by itself.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connection, models
from django.utils import timezone

from dispatch.models import Assignment, SuiteRun, Task, TaskEvent
from dispatch.outcomes import Category
from droplets import dispatcher
from droplets.models import Worker, WorkerEvent, WorkerState
from tests.droplets.factories import make_worker
from tests.factories import make_task

SHARDS = 4
FIRST_MILLISECOND = 1_600_000_000_000


class Population:
    """Adds to the rows of one database: a real row each time, and copies of it up to `count`."""

    def __init__(self) -> None:
        self._next = FIRST_MILLISECOND

    def add_queued(self, count: int) -> None:
        """Tasks that wait for the droplet backend, in suite runs of SHARDS."""
        self._add_tasks(make_task(), count, {"external_id": "NULL"})

    def add_finished(self, count: int) -> None:
        """Tasks that passed, each on a Worker of its own, which is gone."""
        task = _finished_task()
        worker = Worker.objects.get(assignment_id=task.assignments.get().pk)
        start = self._next
        with in_bulk(SuiteRun, Task, Assignment, TaskEvent, Worker, WorkerEvent):
            self._add_tasks(task, count, {"external_id": f"{_id(start, 'worker')}::text"})
            ids = {"id": _id(start, "worker"), "assignment_id": _id(start, "assignment")}
            copy(worker, count - 1, {**ids, "name": f"'bench-' || {_id(start, 'worker')}"})
            for event in worker.events.all():
                copy(event, count - 1, {"worker_id": _id(start, "worker")})

    def add_idle_workers(self, count: int) -> None:
        """Workers that are ready, and not heard since."""
        worker = make_worker(ready_at=timezone.now())
        start = self._take(count)
        columns = {"id": _id(start, "worker"), "name": f"'bench-' || {_id(start, 'worker')}"}
        copy(worker, count - 1, columns)

    def finish_what_was_placed(self) -> None:
        """As the agents and the pool would: Tasks pass, Workers go."""
        now = timezone.now()
        placed = Assignment.objects.filter(external_id__isnull=False, closed_at=None)
        Task.objects.filter(state="assigned").update(state="passed", finished_at=now)
        placed.update(category=Category.PASSED, closed_at=now, released_at=now)
        busy = Worker.objects.filter(state=WorkerState.BUSY)
        busy.update(state=WorkerState.RETIRED, ended_at=now, destroyed_at=now)

    def settle(self) -> None:
        """What the database does by itself in time. What came in bulk is written out, or whoever
        comes next would have to do it."""
        _execute("VACUUM ANALYZE")
        _execute("CHECKPOINT")

    def _add_tasks(self, task: Task, count: int, assigned: Mapping[str, str]) -> None:
        """Copies of the Task, its Assignment and its events."""
        start = self._take(count)
        copies = count - 1
        run, shard = _id(start, "run", f"i / {SHARDS}"), f"mod(i, {SHARDS}) + 1"
        name = f"'bench-' || {start} || '-' || i"
        own = {"id": _id(start, "task"), "suite_run_id": run, "order_index": shard}
        placed = {"id": _id(start, "assignment"), "task_id": _id(start, "task"), **assigned}
        told = {"task_id": _id(start, "task"), "assignment_id": _id(start, "assignment")}
        copy(task.suite_run, -(-copies // SHARDS), {"id": _id(start, "run"), "suite_run_id": name})
        copy(task, copies, own)
        copy(task.assignments.get(), copies, placed)
        for event in task.events.all():
            copy(event, copies, {**told, "id": _id(start, f"event {event.seq}")})

    def _take(self, count: int) -> int:
        """A range of milliseconds that no other rows have."""
        start = self._next
        self._next += count
        return start


def copy(template: models.Model, count: int, columns: Mapping[str, str]) -> None:
    """Make copies of a row. `columns` are SQL expressions, in which `i` counts from 0."""
    meta = template._meta
    numbered = isinstance(meta.pk, models.AutoField)
    fields = [f for f in meta.local_concrete_fields if not (numbered and f.primary_key)]
    names = [str(field.column) for field in fields]
    quoted = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(columns.get(name, f't."{name}"') for name in names)
    _execute(
        f"INSERT INTO {meta.db_table} ({quoted}) SELECT {values} "
        f"FROM {meta.db_table} t, generate_series(0, {count - 1}) i WHERE t.id = %s",
        template.pk,
    )


@contextmanager
def in_bulk(*written: type[models.Model]) -> Iterator[None]:
    """Foreign keys are not looked at, and the indexes of these tables are built at the end: row
    by row, both would take most of the time."""
    tables = [model._meta.db_table for model in written]
    asleep = "UPDATE pg_index SET indisready = false WHERE indrelid = ANY(%s::regclass[])"
    _execute("SET session_replication_role = replica")
    _execute(asleep, tables)
    try:
        yield
    finally:
        for table in tables:
            _execute(f"REINDEX TABLE {table}")
        _execute("SET session_replication_role = origin")


def _id(start: int, kind: str, i: str = "i") -> str:
    """The i-th of these ids, of version 7 like the product's own: rows sort by age, and indexes
    grow at their end."""
    tail = hashlib.sha256(kind.encode()).hexdigest()[:15]
    return f"(lpad(to_hex({start} + {i}), 12, '0') || '7000a{tail}')::uuid"


def _finished_task() -> Task:
    """One that went its whole way, by the product's own functions."""
    make_worker(ready_at=timezone.now())
    task = make_task()
    dispatcher.claim(task.assignments.get())
    assignment = Assignment.by_id(task.assignments.get().pk)
    assignment.deliver()
    assignment.claim("bench")
    assignment.close(Category.PASSED)
    assignment.release()
    worker = Worker.objects.get(assignment_id=assignment.pk)
    worker.retire("its Assignment is closed")
    Worker.objects.filter(pk=worker.pk).update(destroyed_at=timezone.now())
    return Task.objects.get(pk=task.pk)


def _execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
