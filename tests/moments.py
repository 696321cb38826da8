"""Lets somebody else act at the one moment that matters: right before a certain statement."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

CLOSING = 'UPDATE "dispatch_assignment" SET "closed_at"'


@contextmanager
def just_before(statement: str, act: Callable[[], object]) -> Iterator[None]:
    """Run `act` once, before the first SQL statement of this thread that begins so. Fails where
    none came."""
    acted = False

    def execute(run: Any, sql: str, *more: Any) -> Any:
        nonlocal acted
        if not acted and sql.startswith(statement):
            acted = True
            act()
        return run(sql, *more)

    with connection.execute_wrapper(execute):
        yield
    assert acted, f"no statement began with {statement}"
