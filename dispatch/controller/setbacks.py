"""Which queued Assignments are passed over for a while, and which of them keep failing.

One whose start failed must not be tried first again after each rest of its backend: nothing behind
it would ever be tried. So it is put off beyond the rest, longer each time, and another one shows
whether the backend is back. Kept in memory: with a new leader the patience begins anew.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

PUT_OFF_SECONDS = 1.0
LONGEST_PUT_OFF = 15.0


@dataclass(kw_only=True)
class Setback:
    """`since` when its start fails, and how often it did."""

    since: float
    count: int = 0


class Setbacks:
    """Of one backend; safe to use from any thread. Times are seconds."""

    def __init__(self) -> None:
        self._until: dict[UUID, float] = {}
        self._failing: dict[UUID, Setback] = {}
        self._lock = Lock()

    def put_off(self, assignment_id: UUID) -> None:
        """The backend answered: not now."""
        with self._lock:
            self._failing.pop(assignment_id, None)
            self._until[assignment_id] = time.monotonic() + PUT_OFF_SECONDS

    def failed(self, assignment_id: UUID, rest: float) -> float:
        """Its start failed, and the backend rests for so long; for how long it has failed."""
        now = time.monotonic()
        with self._lock:
            setback = self._failing.setdefault(assignment_id, Setback(since=now))
            pause = min(PUT_OFF_SECONDS * 2.0**setback.count, LONGEST_PUT_OFF)
            setback.count += 1
            self._until[assignment_id] = now + rest + pause
            return now - setback.since

    def settled(self, assignment_id: UUID) -> None:
        with self._lock:
            self._failing.pop(assignment_id, None)

    def passed_over(self) -> set[UUID]:
        now = time.monotonic()
        with self._lock:
            self._until = {key: until for key, until in self._until.items() if until > now}
            return set(self._until)

    def failing(self) -> set[UUID]:
        with self._lock:
            return set(self._failing)

    def forget_all_but(self, assignment_ids: Collection[UUID]) -> None:
        with self._lock:
            for gone in self._failing.keys() - set(assignment_ids):
                del self._failing[gone]
