"""When to stop working, and until when what is left may still be delivered."""

from __future__ import annotations

import math
import queue
import signal
import threading
import time
from collections.abc import Mapping
from types import FrameType

from .errors import Stopped

# Seconds that remain for the last logs, by the reason for stopping. Whoever sends TERM waits.
LAST_WORDS_SECONDS = {"cancelled": 30.0, "superseded": 30.0, "refused": 5.0, "terminated": 3.0}


class Deadline:
    """A moment after which delivering is given up. It only ever moves closer."""

    def __init__(self) -> None:
        self._at = math.inf
        self._moved = threading.Condition()

    def shorten(self, seconds: float) -> None:
        with self._moved:
            self._at = min(self._at, time.monotonic() + seconds)
            self._moved.notify_all()

    def remaining(self) -> float:
        return max(0.0, self._at - time.monotonic())

    def sleep(self, seconds: float) -> bool:
        """Sleeps that long, or until the deadline if that is sooner; says whether time is left."""
        until = time.monotonic() + seconds
        with self._moved:
            while (left := min(until, self._at) - time.monotonic()) > 0:
                self._moved.wait(left)
        return self.remaining() > 0


class Stop:
    """The request to stop working. The first reason stays; each one shortens the deadline.
    `grace_seconds` is what the processes that run then may still take."""

    def __init__(
        self, grace_seconds: float, last_words: Mapping[str, float] = LAST_WORDS_SECONDS
    ) -> None:
        self._grace_seconds, self._last_words = grace_seconds, last_words
        self.deadline = Deadline()
        self.requested = threading.Event()
        self.reason = ""
        self._lock = threading.Lock()

    def request(self, reason: str) -> None:
        with self._lock:
            self.reason = self.reason or reason
        self.deadline.shorten(self._grace_seconds + self._last_words[reason])
        self.requested.set()

    def check(self) -> None:
        if self.requested.is_set():
            raise Stopped(self.reason)


def stop_on_signals(stop: Stop) -> threading.Event:
    """TERM and INT request a stop; the event says that one came. A handler may interrupt code that
    holds the very lock that `request` needs, so it only puts into a queue that allows that, and a
    thread does the rest."""
    came = threading.Event()
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def note(number: int, frame: FrameType | None) -> None:
        signals.put(number)

    def listen() -> None:
        while True:
            signals.get()
            stop.request("terminated")
            came.set()

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)
    threading.Thread(target=listen, name="signals", daemon=True).start()
    return came
