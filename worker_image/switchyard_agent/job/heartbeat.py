"""A sign of life every few seconds, and the answer that says when to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..errors import Refused, Unreachable
from ..heartbeat import REFUSALS_TO_BELIEVE
from ..outbox import SUPERSEDED
from ..stopping import Stop
from ..wire import Call, Wire
from . import api


class Heartbeat:
    """A thread that goes on until `end`. An answer that cannot be had stops nothing."""

    def __init__(
        self, call: Callable[[], Call], *, wire: Wire, stop: Stop, interval: float
    ) -> None:
        self._call, self._wire, self._stop, self._interval = call, wire, stop, interval
        self._ended = threading.Event()
        self._refusals = 0
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def end(self) -> None:
        """The final report is under way: after it the Assignment is over for a good reason."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._interval) and not self._stop.requested.is_set():
            reason = self._beat()
            if reason and not self._ended.is_set():
                self._stop.request(reason)

    def _beat(self) -> str:
        """The reason to stop, if there is one."""
        try:
            answer = api.fields(self._wire.send(self._call()))
        except Unreachable:
            return ""
        except Refused as refusal:
            self._refusals += 1
            if refusal.status == SUPERSEDED:
                return "superseded"
            return "refused" if self._refusals >= REFUSALS_TO_BELIEVE else ""
        self._refusals = 0
        return "cancelled" if answer.get("cancel") else ""
