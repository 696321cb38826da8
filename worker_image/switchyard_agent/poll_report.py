"""Reports by the legacy worker protocol, while the work goes on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from . import worker_api
from .heartbeat import Heartbeat
from .outbox import Outbox, deliver
from .pump import Pump
from .report import Logs
from .stopping import Stop
from .wire import Call, Wire
from .work_order import WorkOrder


class PollReport:
    def __init__(
        self, order: WorkOrder, logs: Logs, poll: Call, *, wire: Wire, stop: Stop, interval: float
    ) -> None:
        self._order, self._wire, self._stop = order, wire, stop
        self._outbox = Outbox(wire, stop)
        self._heartbeat = Heartbeat(order, poll, wire=wire, stop=stop, interval=interval)
        self._system, self._tests = (
            Pump(spool, partial(self._send, stream), stop=stop, interval=interval)
            for spool, stream in ((logs.system, "system_logs"), (logs.tests, "test_output"))
        )

    def _send(self, stream: str, lines: bytes, offset: int, last: bool) -> int:
        """A chunk that is refused is not sent again."""
        call = worker_api.log_lines(self._order.task_id, stream, lines, offset)
        deliver(self._wire, call, self._stop)
        return offset + len(lines)

    def event(self, kind: str, detail: str = "") -> None:
        self._outbox.put(worker_api.task_event(self._order.task_id, kind, detail))

    def git_token(self) -> str:
        # Who has lost the Assignment learns it from the events, before anything is cloned.
        self._outbox.drain()
        call = worker_api.github_token(self._order.installation_id)
        answer = deliver(self._wire, call, self._stop)
        return worker_api.token(answer or b"")

    def example_count(self, count: int) -> None:
        self._outbox.put(worker_api.example_count(self._order.test_suite_run_id, count))

    def results(self, path: Path) -> None:
        self.end_work()
        self._outbox.put(worker_api.json_output(self._order.task_id, path))

    def screenshot(self, path: Path) -> None:
        self._outbox.put(worker_api.test_failure_screenshot(self._order.task_id, path))

    def end_work(self) -> None:
        """No step runs any more: the log of the tests is complete, and it is delivered first."""
        self._heartbeat.end()
        self._tests.finish()

    def finish(self) -> None:
        """The final report, after all the others."""
        self.end_work()
        self._system.flush()
        self._outbox.put(worker_api.task_finished(self._order.task_id))
        self._outbox.drain()

    def leave(self) -> None:
        """The last logs, whatever was reported, and that this Worker is free of its Assignment."""
        self.end_work()
        self._system.finish()
        self._outbox.put(worker_api.delete_runner(self._order.task_id))
        self._outbox.drain()
