"""Where the cluster's time comes from, and what is due when."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime

_LONGEST_WAIT = 60.0  # a wall clock may be moved while somebody waits for it


class Clock:
    """The wall clock. Times are seconds since the Unix epoch."""

    def now(self) -> float:
        return time.time()

    def until(self, moment: float) -> float:
        """Real seconds to wait before it makes sense to look again."""
        return min(max(moment - self.now(), 0.0), _LONGEST_WAIT)


class ManualClock(Clock):
    """A clock that stands still until a test moves it. `moved` is called after each move."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self.moved: Callable[[], object] = lambda: None

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds
        self.moved()

    def until(self, moment: float) -> float:
        return 0.0 if moment <= self._now else _LONGEST_WAIT


class Timers:
    """Calls that are due at a time of the clock. One handle in the event loop serves them all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        if isinstance(self._clock, ManualClock):
            loop = self._loop
            self._clock.moved = lambda: loop.call_soon_threadsafe(self._look)
        self._look()

    def at(self, moment: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (moment, next(self._order), call))
        if self._heap[0][0] == moment:
            self._arm()

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        self.at(self._clock.now() + seconds, call)

    def after_real(self, seconds: float, call: Callable[[], None]) -> None:
        """After so many seconds of the machine, whatever the clock does."""
        if self._loop is not None:
            self._loop.call_later(seconds, call)

    def _look(self) -> None:
        while self._heap and self._heap[0][0] <= self._clock.now():
            heapq.heappop(self._heap)[2]()
        self._arm()

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._loop is not None and self._heap:
            wait = self._clock.until(self._heap[0][0])
            self._handle = self._loop.call_later(wait, self._look)


def iso(moment: float) -> str:
    """A time as Kubernetes writes it: 2020-07-21T18:37:44Z."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_micro(moment: float) -> str:
    """A MicroTime: 2020-07-21T18:37:44.123456Z."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> float:
    """Raises ValueError for anything but RFC 3339."""
    return datetime.fromisoformat(text).timestamp()
