"""How a backend answers, and how long to leave it alone when it does not.

Kept in memory for the loops of this process and written to `BackendStatus` for everybody else.
No lock is held over a call or a write: whoever hangs holds up nobody.
"""

import logging
import time
from datetime import timedelta
from threading import Lock
from typing import Any

from django.utils import timezone

from dispatch.backends import Unavailable
from dispatch.backoff import pause_after
from dispatch.models import BackendStatus

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
# The calls that bring Assignments to life, and those that look at them and stop them.
STARTING = "starting"
LOOKING = "looking"

logger = logging.getLogger(__name__)


class Health:
    """Of one kind of calls to one backend. `resting` is true while it is left alone.

    The kinds back off apart: an API that answers reads while every create fails is no place for
    new Tasks, and must not look like one. The row is about all kinds together: unavailable since
    the first failure, until none of them fails any more.
    """

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self._failures = 0
        self._rest_until = 0.0
        self._known_good = False
        self._lock = Lock()

    @property
    def resting(self) -> bool:
        return time.monotonic() < self._rest_until

    @property
    def rest_left(self) -> float:
        """Seconds."""
        return max(0.0, self._rest_until - time.monotonic())

    @property
    def failing(self) -> bool:
        return self._failures > 0

    def answered(self) -> None:
        with self._lock:
            if self._known_good:
                return
            self._failures, self._rest_until, self._known_good = 0, 0.0, True
        if not any(other.failing for other in _kinds(self.backend)):
            self._write(unavailable_since=None, retry_at=None, failures=0, message="")

    def nothing_to_ask(self) -> None:
        """There is no call to make, or none of the last ones met any trouble: an old failure
        tells nothing any more."""
        if self.failing and not self.resting:
            self.answered()

    def failed(self, error: Unavailable) -> None:
        """Back off: doubling, jittered, and never shorter than what the backend asked for.

        Calls under way that fail together count as one failure."""
        with self._lock:
            if self.resting:
                return
            self._failures += 1
            self._known_good = False
            pause = pause_after(self._failures, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
            pause = max(error.retry_after or 0.0, pause)
            self._rest_until = time.monotonic() + pause
        logger.warning("Backend %s is unavailable: %s", self.backend, error)
        retry_at = timezone.now() + timedelta(seconds=pause)
        self._write(retry_at=retry_at, failures=self._failures, message=str(error))
        rows = BackendStatus.objects.filter(name=self.backend, unavailable_since=None)
        rows.update(unavailable_since=timezone.now())

    def _write(self, **facts: Any) -> None:
        facts["checked_at"] = timezone.now()
        BackendStatus.objects.update_or_create(name=self.backend, defaults=facts)


_all: dict[tuple[str, str], Health] = {}


def of(backend: str, kind: str = STARTING) -> Health:
    return _all.setdefault((backend, kind), Health(backend))


def _kinds(backend: str) -> list[Health]:
    return [one for one in list(_all.values()) if one.backend == backend]
