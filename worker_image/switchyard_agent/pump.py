"""Sends one log stream as it grows."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .outbox import LOOK_AT_DEADLINE_SECONDS
from .spool import Spool
from .stopping import Stop

# Of log text in one call.
LARGEST_CHUNK = 128 * 1024

Send = Callable[[bytes, int, bool], int]


class Pump:
    """A thread that sends new lines of a spool every `interval` seconds.

    `send` gets lines, their offset, and whether nothing can follow them. It returns from where to
    go on: where it is not behind them, that part comes again, and where it is their own offset,
    together with what is written in the meantime.
    """

    def __init__(
        self, spool: Spool, send: Send, *, stop: Stop, interval: float, offset: int = 0
    ) -> None:
        self._spool, self._send = spool, send
        self._stop, self._interval = stop, interval
        self._hurry = threading.Event()
        self._moved = threading.Condition()
        self._offset = offset
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
            self._send_new_lines(closed)
            if closed and self._offset >= self._spool.size:
                return
            self._hurry.wait(self._interval)

    def _send_new_lines(self, closed: bool) -> None:
        while lines := self._spool.read(self._offset, LARGEST_CHUNK):
            last = closed and self._offset + len(lines) >= self._spool.size
            sent_from, reached = self._offset, self._send(lines, self._offset, last)
            with self._moved:
                self._offset = reached
                self._moved.notify_all()
            if reached == sent_from:
                return
