"""Sends one log stream as it grows."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .outbox import LOOK_AT_DEADLINE_SECONDS, deliver
from .spool import Spool
from .stopping import Stop
from .wire import Call, Wire

# Of decoded log text in one call; each line goes out with a newline more, so half is read.
LARGEST_CHUNK = 256 * 1024


class Pump:
    """A thread that sends new lines of a spool every `interval` seconds. `call_for` makes the
    call from lines and their offset. A chunk that is refused is not sent again."""

    def __init__(
        self,
        spool: Spool,
        call_for: Callable[[bytes, int], Call],
        *,
        wire: Wire,
        stop: Stop,
        interval: float,
    ) -> None:
        self._spool, self._call_for = spool, call_for
        self._wire, self._stop, self._interval = wire, stop, interval
        self._hurry = threading.Event()
        self._moved = threading.Condition()
        self._offset = 0
        threading.Thread(target=self._run, name="pump", daemon=True).start()

    def flush(self) -> None:
        """Returns when all that can be read by now was sent, or the deadline passed."""
        wanted = self._spool.size
        self._hurry.set()
        with self._moved:
            while self._offset < wanted and (left := self._stop.deadline.remaining()):
                self._moved.wait(min(left, LOOK_AT_DEADLINE_SECONDS))

    def finish(self) -> None:
        """Closes the spool and returns when all of it was sent, or the deadline passed."""
        self._spool.close()
        self.flush()

    def _run(self) -> None:
        while self._stop.deadline.remaining():
            self._hurry.clear()
            closed = self._spool.closed
            self._send_new_lines()
            if closed:
                return
            self._hurry.wait(self._interval)

    def _send_new_lines(self) -> None:
        while lines := self._spool.read(self._offset, LARGEST_CHUNK // 2):
            deliver(self._wire, self._call_for(lines, self._offset), self._stop)
            with self._moved:
                self._offset += len(lines)
                self._moved.notify_all()
