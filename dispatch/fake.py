"""A Backend in memory, for tests and for trying the core out alone.

It keeps what it was told, runs nothing, and can be set to refuse: `error` is raised by the
next calls until it is taken away, those of `errors` by the starts of one Assignment.
"""

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any
from uuid import UUID

from dispatch.backends import (
    BackendEntry,
    BackendError,
    Capacity,
    Eligibility,
    Finding,
    NoCapacity,
    Placement,
    Sighting,
    TaskSpec,
)
from dispatch.models import Assignment


class FakeBackend:
    def __init__(self, limit: int = 10) -> None:
        self.limit = limit
        self.held: dict[UUID, str] = {}
        self.ended: dict[UUID, str] = {}
        self.pending: dict[UUID, str] = {}
        self.seen: dict[UUID, dict[str, Any]] = {}
        self.error: BackendError | None = None
        self.errors: dict[UUID, BackendError] = {}
        self.refusals: tuple[str, ...] = ()
        self._lock = Lock()

    def eligible(self, spec: TaskSpec) -> Eligibility:
        return Eligibility(reasons=self.refusals)

    def start(self, assignment: Assignment) -> Placement:
        self._answer()
        if assignment.pk in self.errors:
            raise self.errors[assignment.pk]
        with self._lock:
            if assignment.pk not in self.held:
                self._admit(assignment.pk)
            return Placement(external_id=self.held[assignment.pk])

    def _admit(self, assignment_id: UUID) -> None:
        if len(self.held) >= self.limit:
            raise NoCapacity(f"all {self.limit} places are taken")
        if not Assignment.objects.filter(pk=assignment_id, closed_at=None).exists():
            raise NoCapacity("the Assignment is closed")
        self.held[assignment_id] = f"fake-{assignment_id}"

    def stop(self, assignment: Assignment) -> None:
        self._answer()
        with self._lock:
            self.held.pop(assignment.pk, None)

    def observe(self, assignments: Sequence[Assignment]) -> list[Sighting]:
        self._answer()
        return [self._see(assignment.pk) for assignment in assignments]

    def _see(self, assignment_id: UUID) -> Sighting:
        holds = assignment_id in self.held
        return Sighting(
            assignment_id=assignment_id,
            holds=holds,
            ended=self.ended.get(assignment_id),
            pending=self.pending.get(assignment_id, ""),
            seen=self.seen.get(assignment_id, {}),
        )

    def capacity(self) -> Capacity:
        self._answer()
        in_use = len(self.held)
        return Capacity(free=self.limit - in_use, in_use=in_use, limit=self.limit)

    def check(self) -> Iterable[Finding]:
        return [Finding(level="ok", text="The fake backend needs nothing.")]

    def _answer(self) -> None:
        if self.error is not None:
            raise self.error


ENTRY = BackendEntry(title="Fake", backend=FakeBackend)
