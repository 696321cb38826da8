"""Brings queued Assignments to their backend: at most as many as it has room for, by priority,
then age. The calls run in a bounded pool of threads of this backend's own, so that a slow
backend delays nobody else.
"""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections

from dispatch import accounts, backends, wake
from dispatch.backends import (
    BatchBackend,
    Loop,
    NoCapacity,
    Placement,
    Rejected,
    Unavailable,
)
from dispatch.controller import health
from dispatch.models import Assignment
from dispatch.outcomes import Category

LARGEST_BATCH = 200
STARTED_TOGETHER = 50
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
            busy = len(self._under_way)
        chosen = self._next(min(capacity.free - busy, LARGEST_BATCH))
        if chosen:
            self._submit(chosen)
        elif not busy:
            self._health.nothing_to_ask()

    def _next(self, count: int) -> list[Assignment]:
        if count <= 0:
            return []
        now = time.monotonic()
        with self._lock:
            self._skipped = {key: until for key, until in self._skipped.items() if until > now}
            starting = set(self._under_way)
            passed_over = starting | self._skipped.keys()
        return accounts.next_in_line(self.backend, count, passed_over, starting)

    def _submit(self, assignments: Sequence[Assignment]) -> None:
        if self._pool is None:
            prefix = f"start {self.backend}"
            self._pool = ThreadPoolExecutor(settings.BACKEND_THREADS, thread_name_prefix=prefix)
        together = isinstance(backends.get(self.backend), BatchBackend)
        size = STARTED_TOGETHER if together else 1
        with self._lock:
            self._under_way.update(assignment.pk for assignment in assignments)
        for first in range(0, len(assignments), size):
            self._pool.submit(self._run, assignments[first : first + size])

    def _run(self, assignments: Sequence[Assignment]) -> None:
        """Those behind one that met an unavailable backend stay queued, untried."""
        try:
            close_old_connections()
            if not self._health.resting and not self._start_together(assignments):
                for assignment in assignments:
                    self._start_alone(assignment)
        finally:
            with self._lock:
                self._under_way.difference_update(assignment.pk for assignment in assignments)
                idle = not self._under_way
            if idle:
                self._health.nothing_to_ask()
                wake.send(f"placed {self.backend}")

    def _start_together(self, assignments: Sequence[Assignment]) -> bool:
        """False where the backend cannot, or one of them meets a bug: that must not keep the
        others back."""
        backend = backends.get(self.backend)
        if not isinstance(backend, BatchBackend):
            return False
        try:
            placements = backend.start_all(assignments)
            for assignment in assignments:
                self._record(assignment, placements.get(assignment.pk))
            self._health.answered()
        except Unavailable as error:
            self._health.failed(error)
        except Exception:
            logger.exception("Placing together failed: placing one by one")
            return False
        return True

    def _start_alone(self, assignment: Assignment) -> None:
        try:
            self.start(assignment)
        except Exception:
            logger.exception("Placing failed", extra=_ids(assignment))
            self._skip(assignment)

    def start(self, assignment: Assignment) -> None:
        """Start one and record where it went; every refusal has its one reaction."""
        try:
            self._record(assignment, backends.get(self.backend).start(assignment))
            self._health.answered()
        except NoCapacity:
            self._skip(assignment)
        except Unavailable as error:
            self._health.failed(error)
        except Rejected as error:
            assignment.close(Category.REJECTED, str(error))

    def _record(self, assignment: Assignment, placement: Placement | None) -> None:
        if placement is None:
            self._skip(assignment)
        elif not placement.recorded:
            assignment.place(placement.external_id)

    def _skip(self, assignment: Assignment) -> None:
        with self._lock:
            self._skipped[assignment.pk] = time.monotonic() + SKIP_SECONDS


def _ids(assignment: Assignment) -> dict[str, str]:
    return {"task": str(assignment.task_id), "assignment": str(assignment.pk)}
