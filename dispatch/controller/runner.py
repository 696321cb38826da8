"""Runs the loops: one thread each, while this process holds the lease.

A second controller waits and takes over when the lease lapses. Every step is safe to run twice,
and safe to run beside another controller's for the moment that a paused leader needs to notice.
"""

import gc
import logging
import sys
import time
from collections.abc import Sequence
from threading import Event, Thread

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from dispatch import wake
from dispatch.backends import BackendError, Loop
from dispatch.models import Lease, LoopBeat

LEASE = "controller"
BEAT_EVERY = 5.0
SECONDS_TO_END = 5.0

# How long a thread that is busy keeps one from going on that has something to place. Python's own
# is ten times as long.
TURN_SECONDS = 0.0005
# Python's garbage collector looks through everything after every few hundred new objects. A list of
# a cluster's objects has hundreds of thousands, and none that only the collector could free.
COLLECTED_AFTER = (50_000, 50, 100)

logger = logging.getLogger(__name__)


class Leadership:
    """Whether this process leads. True only while the lease, by our own clock, cannot have
    lapsed."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self._until = 0.0

    def __bool__(self) -> bool:
        return time.monotonic() < self._until

    def renew(self) -> None:
        asked = time.monotonic()
        try:
            taken = Lease.take(LEASE, self.holder, settings.LEASE_SECONDS)
        except DatabaseError:
            logger.warning("The lease could not be renewed", exc_info=True)
            connection.close()
            return
        if taken and not self:
            logger.info("This controller leads", extra={"holder": self.holder})
        self._until = asked + settings.LEASE_SECONDS if taken else 0.0

    def give_up(self) -> None:
        self._until = 0.0
        Lease.give_up(LEASE, self.holder)


class LoopThread(Thread):
    """One loop. `poke` makes its next step come at once."""

    def __init__(self, loop: Loop, leadership: Leadership, stop: Event) -> None:
        super().__init__(name=loop.name, daemon=True)
        self.loop = loop
        self._leadership = leadership
        self._stop_event = stop
        self._poked = Event()
        self._last_beat = 0.0
        self._last_error = ""

    def poke(self) -> None:
        self._poked.set()

    def run(self) -> None:
        while not self._stop_event.is_set():
            if self._leadership:
                self._step()
            self._stop_event.wait(self.loop.rest)
            self._poked.wait(self.loop.every)
            self._poked.clear()
        connection.close()

    def _step(self) -> None:
        started = time.monotonic()
        error = ""
        try:
            close_old_connections()
            self.loop.step()
        except BackendError as problem:  # expected, and shown: no story of our code belongs to it
            logger.warning("Loop %s: %s", self.loop.name, problem)
            error = f"{type(problem).__name__}: {problem}"
        except Exception as problem:
            logger.exception("Loop %s failed", self.loop.name)
            error = f"{type(problem).__name__}: {problem}"
            connection.close()
        self._beat(time.monotonic() - started, error)

    def _beat(self, seconds: float, error: str) -> None:
        fresh = time.monotonic() - self._last_beat < BEAT_EVERY
        if fresh and error == self._last_error:
            return
        try:
            every = self.loop.every
            LoopBeat.record(self.loop.name, seconds=seconds, every=every, error=error)
        except DatabaseError:
            connection.close()
        self._last_beat = time.monotonic()
        self._last_error = error


def tune_python() -> None:
    """For a process that does nothing but run loops. What was loaded by now stays, so the garbage
    collector need not look through it again: all threads wait meanwhile, longer than it takes to
    place a Task."""
    sys.setswitchinterval(TURN_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)


def run(loops: Sequence[Loop], *, holder: str, stop: Event) -> None:
    """Run until `stop` is set; then let every loop end its step, and give the lease up."""
    leadership = Leadership(holder)
    leadership.renew()
    threads = [LoopThread(loop, leadership, stop) for loop in loops]
    keeper = Thread(target=_keep_lease, args=(leadership, stop), name="lease", daemon=True)
    for thread in (keeper, *threads):
        thread.start()
    while not stop.is_set():
        _listen(threads, stop)
    for thread in threads:
        thread.poke()
    _join(threads)
    leadership.give_up()


def _join(threads: Sequence[LoopThread]) -> None:
    """All together get this long; one that still waits for an answer ends with the process."""
    deadline = time.monotonic() + SECONDS_TO_END
    for thread in threads:
        thread.join(timeout=max(0.0, deadline - time.monotonic()))


def _keep_lease(leadership: Leadership, stop: Event) -> None:
    while not stop.wait(settings.LEASE_SECONDS / 3):
        close_old_connections()
        leadership.renew()
    connection.close()


def _listen(threads: Sequence[LoopThread], stop: Event) -> None:
    """Poke the loops as topics arrive; on any trouble wait a moment and listen anew."""
    try:
        with wake.Listener() as listener:
            for thread in threads:
                thread.poke()
            while not stop.is_set():
                for topic in listener.topics(timeout=0.5):
                    _poke(threads, topic)
    except (DatabaseError, OSError) as problem:
        logger.warning("Not listening for wakes: %s", problem)
        connection.close()
        stop.wait(1)


def _poke(threads: Sequence[LoopThread], topic: str) -> None:
    for thread in threads:
        if topic in thread.loop.wakes:
            thread.poke()
