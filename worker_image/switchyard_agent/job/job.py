"""One Assignment in a pod: what it is about, and the steps that run in the tests' container."""

from __future__ import annotations

from dataclasses import dataclass

from ..work_order import WorkOrder
from . import collecting
from .files import Control, Out
from .logs import JobLogs
from .plan import Plan
from .report import JobReport
from .settings import JobSettings
from .watch import Follower, Watch

# The wrapper takes up to 5 from a request to stop until nothing runs.
STOP_SECONDS = 8.0


@dataclass(kw_only=True)
class Job:
    """`step` is the number of the step begun last, `follower` passes its output on. `exit_code` is
    that of the tests, None while they have not ended."""

    order: WorkOrder
    plan: Plan
    settings: JobSettings
    report: JobReport
    logs: JobLogs
    control: Control
    out: Out
    watch: Watch
    step: int = 0
    follower: Follower | None = None
    exit_code: int | None = None
    image_digest: str = ""

    def say(self, text: str) -> None:
        """From the thread that runs the steps: what a command left half-written is a line."""
        self.logs.system.end_line()
        self.logs.system.line(text)

    def tell(self, event: str, detail: str) -> None:
        """An event with its detail, which is said as well."""
        detail = self.logs.redactor.clean_text(detail)
        self.say(detail)
        self.report.event(event, detail)

    def run(self, script: str, stream: str = "") -> int:
        """The step's exit code; its output goes to the stream, if to any. A step that an agent
        before this one has begun goes on. Raises Stopped or TimedOut."""
        self.step += 1
        self.control.step(self.step, script)
        if stream:
            log = f"{self.step}.log"
            self.follower = Follower(self.out.folder, log, self.logs.streams()[stream])
        following = (self.follower,) if self.follower else ()
        self.watch.wait_for(lambda: self.out.code(self.step) is not None, *following)
        self._end_follower()
        return self.out.code(self.step) or 0

    def stop_steps(self) -> None:
        """Whatever runs there ends, and its output is complete."""
        self.control.stop()
        following = (self.follower,) if self.follower else ()
        self.watch.settle(lambda: self.out.idle(self.step), STOP_SECONDS, *following)
        self._end_follower()

    def last_lines(self, lines: int = 3) -> str:
        """Of the output of the last step."""
        return collecting.last_lines(self.out.folder, f"{self.step}.log", lines)

    def _end_follower(self) -> None:
        if self.follower:
            self.follower.end()
            self.follower = None
