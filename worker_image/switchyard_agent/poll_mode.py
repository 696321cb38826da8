"""The life of an agent that asks for its work: ready, poll, carry out one Assignment, exit."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

from . import worker_api
from .errors import (
    BadSettings,
    BadWorkOrder,
    GaveUp,
    Refused,
    StepFailed,
    Stopped,
    TimedOut,
    Unreachable,
)
from .heartbeat import REFUSALS_TO_BELIEVE
from .keeper import adopt_orphans
from .outbox import deliver
from .poll_report import PollReport
from .processes import Runner
from .report import open_logs
from .settings import Settings, read_settings
from .steps import Run, carry_out
from .stopping import Stop, stop_on_signals
from .wire import Wire
from .work_order import WorkOrder
from .workspace import make_workspace

DONE, REFUSED, BAD_SETTINGS = 0, 1, 2


def main() -> int:
    """The exit code says nothing about the tests: 0 when the agent did its part."""
    try:
        settings = read_settings(os.environ)
    except BadSettings as problem:
        print(problem, file=sys.stderr)
        return BAD_SETTINGS
    adopt_orphans()
    stop = Stop(settings.grace_seconds)
    stop_on_signals(stop)
    wire = worker_api.connect(settings, stop.deadline)
    try:
        return live(settings, wire, stop)
    except (Refused, BadWorkOrder) as problem:
        print(problem, file=sys.stderr)
        return REFUSED
    except (Stopped, GaveUp) as end:
        print(end, file=sys.stderr)
        return DONE


def live(settings: Settings, wire: Wire, stop: Stop) -> int:
    wire.deliver(worker_api.worker_event(settings.worker_id, "ready_signal_received"))
    item = wait_for_item(settings, wire, stop)
    received_at = time.monotonic()
    order = accept(item, settings, wire, stop)
    stop.deadline.shorten(order.timeout_seconds + settings.report_seconds)
    with make_workspace(settings.work_dir, keep=settings.keep) as space:
        logs = open_logs(order, space)
        logs.redactor.add([settings.worker_access_token])
        logs.system.line(f"Task {order.task_id} on Worker {settings.worker_id}")
        report = PollReport(
            order,
            logs,
            worker_api.worker_assignments(settings.worker_id),
            wire=wire,
            stop=stop,
            interval=settings.poll_seconds,
        )
        ends_at = received_at + order.timeout_seconds
        runner = Runner(stop=stop, ends_at=ends_at, grace_seconds=settings.grace_seconds)
        run = Run(order=order, report=report, logs=logs, runner=runner, space=space)
        if work(run, report):
            report.finish()
        report.leave()
    return DONE


def wait_for_item(settings: Settings, wire: Wire, stop: Stop) -> Mapping[str, Any]:
    """Polls for as long as it takes. Raises Refused when the Worker is refused again and again,
    Stopped when the agent should go."""
    call = worker_api.worker_assignments(settings.worker_id)
    refusals, pauses = 0, wire.pauses()
    while True:
        pause = settings.poll_seconds
        try:
            if items := worker_api.items(wire.send(call)):
                return items[0]
            refusals, pauses = 0, wire.pauses()
        except Unreachable as trouble:
            pause = max(next(pauses), trouble.retry_after)
        except Refused:
            refusals += 1
            if refusals == REFUSALS_TO_BELIEVE:
                deliver(wire, worker_api.worker_event(settings.worker_id, "error"), stop)
                raise
        stop.requested.wait(pause)
        stop.check()


def accept(item: Mapping[str, Any], settings: Settings, wire: Wire, stop: Stop) -> WorkOrder:
    """Acknowledges the item before anything is done for it. Raises BadWorkOrder where it cannot
    be read, after saying so, and Refused where it is no longer this Worker's."""
    try:
        order = WorkOrder.from_item(item)
    except BadWorkOrder:
        deliver(wire, worker_api.worker_event(settings.worker_id, "error"), stop)
        raise
    wire.deliver(worker_api.worker_event(settings.worker_id, "assignment_acknowledged"))
    return order


def work(run: Run, report: PollReport) -> bool:
    """Whether a final report is due: the work was not taken away from this agent."""
    try:
        carry_out(run)
    except Stopped as stopped:
        run.say(f"Stopped: {stopped}")
        return False
    except TimedOut as end:
        seconds = run.order.timeout_seconds
        _tell(run, "timed_out", f"{end}: {seconds} seconds from the work order")
    except StepFailed as failure:
        _tell(run, failure.event, str(failure))
    except Exception as bug:  # whatever it is, the control plane must hear of it
        run.say(traceback.format_exc())
        _tell(run, "agent_error", f"{type(bug).__name__}: {bug}")
    return True


def _tell(run: Run, event: str | None, detail: str) -> None:
    detail = run.logs.redactor.clean_text(detail)
    run.say(detail)
    if event:
        run.report.event(event, detail)
