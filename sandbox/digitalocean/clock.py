"""Where the sandbox's time comes from."""

import threading
import time
from datetime import UTC, datetime


class Clock:
    """The wall clock. Times are seconds since the Unix epoch."""

    def now(self) -> float:
        return time.time()

    def wait(self, wake: threading.Event, seconds: float) -> None:
        """Return after `seconds` of this clock, at once when `wake` is set, and within 1 s anyway:
        a wall clock may be moved while somebody waits for it."""
        wake.wait(min(max(seconds, 0), 1.0))


class ManualClock(Clock):
    """A clock that stands still until a test moves it."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def wait(self, wake: threading.Event, seconds: float) -> None:
        wake.wait(0.02)


def iso(moment: float | None) -> str | None:
    """A time as DigitalOcean writes it: 2020-07-21T18:37:44Z."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
