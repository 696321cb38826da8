"""Compares rows with what a backend holds, and repairs the difference, level by level.

Live here and over there no more: closed. Closed here and held over there: stopped, again and
again, until the backend says that it holds nothing; then released.
"""

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import close_old_connections, transaction
from django.db.models import Q

from dispatch import backends
from dispatch.backends import Loop, Sighting, Unavailable
from dispatch.controller import health
from dispatch.models import Assignment
from dispatch.models.assignment import UNREPORTED

BATCH = 500
# Each pass looks at everything that is held, and placing has to come first.
REST = 0.1

logger = logging.getLogger(__name__)


def loop(backend: str) -> Loop:
    return Loop(
        name=f"reconcile {backend}",
        step=Reconciling(backend).step,
        every=settings.RECONCILE_SECONDS,
        wakes=frozenset({"closed", f"seen {backend}"}),
        rest=REST,
    )


class Reconciling:
    """The reconciliation of one backend."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self._health = health.of(backend, health.LOOKING)
        self._pool: ThreadPoolExecutor | None = None

    def step(self) -> None:
        if self._health.resting:
            return
        try:
            batches = list(_batches(Assignment.held(self.backend)))
            stopped = [self._stop_all(list(self._settle(batch))) for batch in batches]
            if not stopped:
                self._health.nothing_to_ask()
            elif all(stopped):
                self._health.answered()
        except Unavailable as error:
            self._health.failed(error)

    def _settle(self, batch: list[Assignment]) -> Iterator[Assignment]:
        """Act on each sighting; yields those that have to be stopped."""
        sightings = {
            sighting.assignment_id: sighting
            for sighting in backends.get(self.backend).observe(batch)
        }
        for assignment in batch:
            sighting = sightings.get(assignment.pk)
            if sighting and settle(assignment, sighting):
                yield assignment

    def _stop_all(self, assignments: list[Assignment]) -> bool:
        """Whether all of these calls worked."""
        if not assignments:
            return True
        if self._pool is None:
            prefix = f"stop {self.backend}"
            self._pool = ThreadPoolExecutor(settings.BACKEND_THREADS, thread_name_prefix=prefix)
        return all(list(self._pool.map(self._stop, assignments)))

    def _stop(self, assignment: Assignment) -> bool:
        """Those behind one that met an unavailable backend wait for the next pass."""
        close_old_connections()
        if self._health.resting:
            return False
        try:
            backends.get(self.backend).stop(assignment)
            return True
        except Unavailable as error:
            self._health.failed(error)
        except Exception:
            ids = {"task": str(assignment.task_id), "assignment": str(assignment.pk)}
            logger.exception("Stopping failed", extra=ids)
        return False


def settle(assignment: Assignment, sighting: Sighting) -> bool:
    """Bring one row in line with what was seen; True where the backend has to be told to stop."""
    if assignment.live and sighting.ended:
        end(assignment, sighting.ended, sighting)
    if assignment.live:
        if assignment.pending != sighting.pending:
            assignment.waits(sighting.pending)
        return False
    if not sighting.holds:
        assignment.release()
    return sighting.holds


def end(
    assignment: Assignment, category: str, sighting: Sighting, *, still: Q | None = None
) -> None:
    """Close it, if its row still says so, and keep what was seen before anything of it is taken
    away. Where its final report is kept, that decides, however the backend's part ended."""
    unreported = UNREPORTED & (still or Q())
    with transaction.atomic():
        if assignment.close(category, sighting.detail, still=unreported) and sighting.seen:
            assignment.note("backend.ended", seen=sighting.seen)


def _batches(rows: Iterable[Assignment]) -> Iterator[list[Assignment]]:
    everything = list(rows)
    for start in range(0, len(everything), BATCH):
        yield everything[start : start + BATCH]
