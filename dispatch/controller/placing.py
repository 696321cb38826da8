"""Brings queued Assignments to their backend: at most as many as it has room for, by priority,
then age. The calls run in a bounded pool of threads of this backend's own, so that a slow
backend delays nobody else.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections

from dispatch import accounts, backends, wake
from dispatch.backends import (
    BackendError,
    BatchBackend,
    Loop,
    NoCapacity,
    Placement,
    Rejected,
    Unavailable,
    Waits,
)
from dispatch.controller import health
from dispatch.controller.setbacks import Setbacks
from dispatch.models import Assignment
from dispatch.models.assignment import Purpose
from dispatch.outcomes import Category
from dispatch.redaction import redactor_for

LARGEST_BATCH = 200
STARTED_TOGETHER = 50

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
    known from rows alone. `_setbacks` are those that a backend put off, or failed with.
    """

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self._health = health.of(backend)
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: set[UUID] = set()
        self._setbacks = Setbacks()
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
        elif not busy and not self._still_failing():
            self._health.nothing_to_ask()

    def _next(self, count: int) -> list[Assignment]:
        if count <= 0:
            return []
        with self._lock:
            starting = set(self._under_way)
        passed_over = starting | self._setbacks.passed_over()
        return accounts.next_in_line(self.backend, count, passed_over, starting)

    def _still_failing(self) -> bool:
        """Whether one that waits has met an unavailable backend: then an old failure still tells
        something, though nothing is tried now."""
        failing = self._setbacks.failing()
        if failing:
            waiting = Assignment.queued(self.backend).filter(pk__in=failing)
            failing = set(waiting.values_list("pk", flat=True))
            self._setbacks.forget_all_but(failing)
        return bool(failing)

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
                if not self._still_failing():
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
            self._setbacks.put_off(assignment.pk)

    def start(self, assignment: Assignment) -> None:
        """Start one and record where it went; every refusal has its one reaction."""
        try:
            self._record(assignment, backends.get(self.backend).start(assignment))
            self._health.answered()
        except Waits as waiting:
            if not assignment.wait_for(waiting.what, str(waiting)):
                self._setbacks.put_off(assignment.pk)
            self._setbacks.settled(assignment.pk)
        except NoCapacity:
            self._setbacks.put_off(assignment.pk)
        except Unavailable as error:
            self._fail(assignment, error)
        except Rejected as error:
            assignment.close(Category.REJECTED, _cleaned(assignment, error))

    def _fail(self, assignment: Assignment, error: Unavailable) -> None:
        """Back off; one that has failed for too long by itself goes to the other backend, as all do
        when the backend is away (`fallback`)."""
        message = _cleaned(assignment, error)
        self._health.failed(Unavailable(message, error.retry_after))
        seconds = self._setbacks.failed(assignment.pk, self._health.rest_left)
        if seconds > settings.FALLBACK_AFTER_SECONDS and assignment.purpose == Purpose.PRIMARY:
            sentence = f"Its start on {self.backend} has failed for {seconds:.0f} s: {message}"
            assignment.fall_back(Category.API_UNAVAILABLE, sentence)

    def _record(self, assignment: Assignment, placement: Placement | None) -> None:
        if placement is None:
            self._setbacks.put_off(assignment.pk)
            return
        self._setbacks.settled(assignment.pk)
        if not placement.recorded:
            assignment.place(placement.external_id, placement.image_from)


def _cleaned(assignment: Assignment, error: BackendError) -> str:
    """What the backend said, without the Task's secrets: it may quote what it was given."""
    return redactor_for(assignment.task_id).clean_text(str(error))


def _ids(assignment: Assignment) -> dict[str, str]:
    return {"task": str(assignment.task_id), "assignment": str(assignment.pk)}
