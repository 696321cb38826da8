"""Brings queued Assignments to their backend: at most as many as it has room for, by priority,
then age. The calls run in a bounded pool of threads of this backend's own, so that a slow
backend delays nobody else.
"""

import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections

from dispatch import backends, wake
from dispatch.backends import Loop, NoCapacity, Rejected, Unavailable
from dispatch.controller import health
from dispatch.models import Assignment
from dispatch.outcomes import Category

LARGEST_BATCH = 200
SKIP_SECONDS = 1.0

logger = logging.getLogger(__name__)


def loop(backend: str) -> Loop:
    return Loop(
        name=f"place {backend}",
        step=Placing(backend).step,
        every=settings.SWEEP_SECONDS,
        wakes=frozenset({"queue", "closed", "workers", f"placed {backend}"}),
    )


class Placing:
    """The placing of one backend.

    `_under_way` only keeps this process from calling `start` twice at once; what is placed is
    known from rows alone. `_skipped` holds, until a time, those that a backend put off.
    """

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self._health = health.of(backend)
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: set[UUID] = set()
        self._skipped: dict[UUID, float] = {}
        self._lock = Lock()

    def step(self) -> None:
        if self._health.resting:
            return
        try:
            capacity = backends.get(self.backend).capacity()
        except Unavailable as error:
            self._health.failed(error)
            return
        with self._lock:
            free = capacity.free - len(self._under_way)
        if free > 0:
            self._submit(self._next(min(free, LARGEST_BATCH)))

    def _next(self, count: int) -> Iterable[Assignment]:
        now = time.monotonic()
        with self._lock:
            self._skipped = {key: until for key, until in self._skipped.items() if until > now}
            passed_over = self._under_way | self._skipped.keys()
        rows = Assignment.queued(self.backend).select_related("task")
        found = rows[: count + len(passed_over)]
        return [row for row in found if row.pk not in passed_over][:count]

    def _submit(self, assignments: Iterable[Assignment]) -> None:
        if self._pool is None:
            prefix = f"start {self.backend}"
            self._pool = ThreadPoolExecutor(settings.BACKEND_THREADS, thread_name_prefix=prefix)
        for assignment in assignments:
            with self._lock:
                self._under_way.add(assignment.pk)
            self._pool.submit(self._run, assignment)

    def _run(self, assignment: Assignment) -> None:
        close_old_connections()
        try:
            self.start(assignment)
        except Exception:
            logger.exception("Placing failed", extra=_ids(assignment))
            self._skip(assignment)
        finally:
            with self._lock:
                self._under_way.discard(assignment.pk)
                idle = not self._under_way
            if idle:
                wake.send(f"placed {self.backend}")

    def start(self, assignment: Assignment) -> None:
        """Start one and record where it went; every refusal has its one reaction."""
        try:
            placement = backends.get(self.backend).start(assignment)
            if not placement.recorded:
                assignment.place(placement.external_id)
            self._health.answered()
        except NoCapacity:
            self._skip(assignment)
        except Unavailable as error:
            self._health.failed(error)
        except Rejected as error:
            assignment.close(Category.REJECTED, str(error))

    def _skip(self, assignment: Assignment) -> None:
        with self._lock:
            self._skipped[assignment.pk] = time.monotonic() + SKIP_SECONDS


def _ids(assignment: Assignment) -> dict[str, str]:
    return {"task": str(assignment.task_id), "assignment": str(assignment.pk)}
