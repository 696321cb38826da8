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


def deliver(wire: Wire, call: Call, stop: Stop, read: Read = bytes) -> bytes | None:
    """The answer, or None where there is none to be had: the reason goes to standard error. A 409
    says that the Assignment is no longer this agent's. `read` is as in `Wire.deliver`."""
    try:
        return wire.deliver(call, read)
    except Refused as refusal:
        print(refusal, file=sys.stderr, flush=True)
        if refusal.status == SUPERSEDED:
            stop.request("superseded")
    except GaveUp as end:
        print(end, file=sys.stderr, flush=True)
    return None


class Outbox:
    """A thread that delivers calls one after the other."""

    def __init__(self, wire: Wire, stop: Stop, read: Read = bytes) -> None:
        self._wire, self._stop, self._read = wire, stop, read
        self._calls: queue.SimpleQueue[Call | threading.Event] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="outbox", daemon=True).start()

    def put(self, call: Call) -> None:
        self._calls.put(call)

    def drain(self) -> None:
        """Returns when everything put so far was answered, or the deadline passed."""
        reached = threading.Event()
        self._calls.put(reached)
        while not reached.is_set() and (left := self._stop.deadline.remaining()):
            reached.wait(min(left, LOOK_AT_DEADLINE_SECONDS))

    def _run(self) -> None:
        while True:
            entry = self._calls.get()
            if isinstance(entry, threading.Event):
                entry.set()
            else:
                deliver(self._wire, entry, self._stop, self._read)
