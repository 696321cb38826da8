"""Polling goes on while the work does: it shows that the agent lives, and tells it when to stop."""

from __future__ import annotations

import threading

from . import worker_api
from .errors import Refused, Unreachable
from .stopping import Stop
from .wire import Call, Wire
from .work_order import WorkOrder

# Above one poll a second the control plane answers with an empty list without looking.
SHORTEST_INTERVAL_SECONDS = 1.2
REFUSALS_TO_BELIEVE = 5


class Heartbeat:
    """A thread that asks for the assignments until `end`. It requests a stop when the work order
    is no longer among them, twice in a row, or when the Worker itself is refused."""

    def __init__(
        self, order: WorkOrder, poll: Call, *, wire: Wire, stop: Stop, interval: float
    ) -> None:
        self._order, self._poll, self._wire, self._stop = order, poll, wire, stop
        self._interval = max(interval, SHORTEST_INTERVAL_SECONDS)
        self._ended = threading.Event()
        self._misses = self._refusals = 0
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def end(self) -> None:
        """The work is done: from here on the item may vanish because it was reported."""
        self._ended.set()

    def _run(self) -> None:
        pause = self._interval
        while not self._ended.wait(pause) and not self._stop.requested.is_set():
            self._beat()
            pause = SHORTEST_INTERVAL_SECONDS if self._misses else self._interval
            if self._misses >= 2:
                self._request_stop("cancelled")
            if self._refusals >= REFUSALS_TO_BELIEVE:
                self._request_stop("refused")

    def _beat(self) -> None:
        try:
            items = worker_api.items(self._wire.send(self._poll))
        except Unreachable:
            return
        except Refused:
            self._refusals += 1
            return
        self._refusals = 0
        self._misses = 0 if any(map(self._order.is_item, items)) else self._misses + 1

    def _request_stop(self, reason: str) -> None:
        if not self._ended.is_set():
            self._stop.request(reason)
