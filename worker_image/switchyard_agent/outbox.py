"""Sends reports in the order in which they were made, while the work goes on."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable

from .errors import GaveUp, Refused
from .stopping import Stop
from .wire import Call, Wire

SUPERSEDED = 409
# Who waits for a delivery looks this often whether the deadline has moved.
LOOK_AT_DEADLINE_SECONDS = 0.5


Read = Callable[[bytes], object]
# Hears of a call that has no answer to be had, and why.
Lost = Callable[[Refused | GaveUp], None]


def _forget(why: Refused | GaveUp) -> None:
    pass


def deliver(
    wire: Wire, call: Call, stop: Stop, read: Read = bytes, lost: Lost = _forget
) -> bytes | None:
    """The answer, or None where there is none to be had: the reason goes to standard error, and to
    `lost`. A 409 says that the Assignment is no longer this agent's. `read` is as in
    `Wire.deliver`."""
    try:
        return wire.deliver(call, read)
    except (Refused, GaveUp) as why:
        print(why, file=sys.stderr, flush=True)
        lost(why)
        if isinstance(why, Refused) and why.status == SUPERSEDED:
            stop.request("superseded")
    return None


class Outbox:
    """A thread that delivers calls one after the other."""

    def __init__(self, wire: Wire, stop: Stop, read: Read = bytes) -> None:
        self._wire, self._stop, self._read = wire, stop, read
        self._calls: queue.SimpleQueue[tuple[Call, Lost] | threading.Event] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="outbox", daemon=True).start()

    def put(self, call: Call, lost: Lost = _forget) -> None:
        """`lost` is called in the thread that delivers, before anything put later is sent."""
        self._calls.put((call, lost))

    def drain(self) -> bool:
        """Returns when everything put so far was delivered or lost, or the deadline passed: then
        False, since nobody knows what became of it."""
        reached = threading.Event()
        self._calls.put(reached)
        while not reached.is_set() and (left := self._stop.deadline.remaining()):
            reached.wait(min(left, LOOK_AT_DEADLINE_SECONDS))
        return reached.is_set()

    def _run(self) -> None:
        while True:
            entry = self._calls.get()
            if isinstance(entry, threading.Event):
                entry.set()
            else:
                call, lost = entry
                deliver(self._wire, call, self._stop, self._read, lost)
