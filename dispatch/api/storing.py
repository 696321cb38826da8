"""Writing what was accepted: rows of several tables, all of them or none.

PostgreSQL gets them in one statement, which is a transaction by itself: a third of the time that
the ORM takes for one table after the other. SQLite gets them through the ORM, and a test holds
both to the same result.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import IntegrityError, connection, models, transaction

from dispatch import prepared
from dispatch.models import (
    Assignment,
    IdempotencyKey,
    SuiteRun,
    Task,
    TaskEvent,
    TaskSecret,
)


class KeyTaken(Exception):
    """The idempotency key has an answer already."""


class SuiteRunThere(Exception):
    """Somebody else has stored the suite run in the meantime."""


class OrderIndexTaken(Exception):
    """The suite run has a Task with one of these order indexes."""


REFUSALS = {
    "one_answer_per_key": (IdempotencyKey, KeyTaken),
    "one_suite_run_per_account_and_id": (SuiteRun, SuiteRunThere),
    "one_task_per_suite_run_and_order_index": (Task, OrderIndexTaken),
}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """New rows, none of them stored. `tasks` in the order of their order indexes, so that two
    requests for the same ones cannot lock each other out."""

    answer: IdempotencyKey | None
    suite_run: SuiteRun | None
    tasks: Sequence[Task]
    assignments: Sequence[Assignment]
    events: Sequence[TaskEvent]
    secrets: Sequence[TaskSecret]

    def by_table(self) -> Iterator[tuple[type[models.Model], Sequence[models.Model]]]:
        yield IdempotencyKey, [self.answer] if self.answer else []
        yield SuiteRun, [self.suite_run] if self.suite_run else []
        yield Task, self.tasks
        yield Assignment, self.assignments
        yield TaskEvent, self.events
        yield TaskSecret, self.secrets


def store(rows: Rows) -> None:
    """Raises KeyTaken, SuiteRunThere or OrderIndexTaken, and then has stored nothing."""
    try:
        if connection.vendor == "postgresql":
            in_one_statement(rows)
        else:
            with_the_orm(rows)
    except IntegrityError as error:
        raise _refusal(error) or error from None


def with_the_orm(rows: Rows) -> None:
    with transaction.atomic():
        for model, instances in rows.by_table():
            model._default_manager.bulk_create(instances)


def in_one_statement(rows: Rows) -> None:
    tables = [(model, instances) for model, instances in rows.by_table() if instances]
    sql = _statement(tuple(model for model, _ in tables))
    parameters = [_as_json(instances) for _, instances in tables]
    prepared.run(sql, parameters)


@cache
def _statement(tables: tuple[type[models.Model], ...]) -> str:
    """Each insert waits for the one before it, so that all requests take locks in one order."""
    inserts = [_insert(model, number) for number, model in enumerate(tables)]
    return f"WITH {', '.join(inserts)} SELECT count(*) FROM insert_{len(inserts) - 1}"


def _insert(model: type[models.Model], number: int) -> str:
    fields = _fields(model)
    columns = ", ".join(f'"{field.column}"' for field in fields)
    types = ", ".join(f'"{field.column}" {field.db_type(connection)}' for field in fields)
    after = f", (SELECT count(*) FROM insert_{number - 1}) AS before" if number else ""
    return (
        f'insert_{number} AS (INSERT INTO "{model._meta.db_table}" ({columns}) '
        f"SELECT {columns} FROM jsonb_to_recordset(%s) AS new({types}){after} RETURNING 1)"
    )


@cache
def _fields(model: type[models.Model]) -> list[Any]:
    """All but the keys that the database counts up."""
    return [f for f in model._meta.concrete_fields if not isinstance(f, models.AutoField)]


def _as_json(instances: Sequence[models.Model]) -> str:
    """Times and ids as their texts: to the microsecond, which Django's encoder is not."""
    rows = [
        {field.column: _value(field.pre_save(instance, True)) for field in _fields(type(instance))}
        for instance in instances
    ]
    return json.dumps(rows, default=str)


def _value(value: Any) -> Any:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else value


def _refusal(error: IntegrityError) -> Exception | None:
    """PostgreSQL names the constraint. SQLite names columns, and of these tables only the one
    constraint each can be broken by what is stored here."""
    constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    for name, (model, refusal) in REFUSALS.items():
        on_sqlite = f"UNIQUE constraint failed: {model._meta.db_table}."
        if constraint == name or str(error).startswith(on_sqlite):
            return refusal()
    return None
