"""Statements that run on every request, prepared once per connection.

Django leaves PostgreSQL to plan each statement anew, which takes longer than running these. Its
ORM makes the SQL anew as well; these are written out. SQLite keeps its own prepared statements.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection, transaction

PREPARE_AFTER = 2


def run(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows that the statement returns. Inside a transaction a failure undoes this statement
    alone, as it does outside of one. Raises Django's database errors."""
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(sql, [connection.ops.adapt_unknown_value(p) for p in parameters])
            return list(cursor.fetchall())
    if connection.in_atomic_block:
        with transaction.atomic():
            return _run_prepared(sql, parameters)
    return _run_prepared(sql, parameters)


def _run_prepared(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    raw = connection.connection
    raw.prepare_threshold = PREPARE_AFTER
    # Django's wrapper: its errors, and its list of queries where that is kept.
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    bare: Any = psycopg.Cursor(raw)
    with wrap(bare) as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
