"""The agent in a pod: claim, say so, carry out one Assignment beside the others, stay until TERM.

A sidecar that ends is started again, so it only ends when it is told to. Started again all the
same, it claims as the same instance and goes on where it was.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from typing import Any

from ..errors import (
    BadSettings,
    BadWorkOrder,
    GaveUp,
    PreScriptFailed,
    Refused,
    StepFailed,
    Stopped,
    TimedOut,
)
from ..stopping import LAST_WORDS_SECONDS, Stop, stop_on_signals
from ..wire import Wire
from ..work_order import WorkOrder
from . import api, collecting
from .course import LeftToOthers, carry_out
from .files import Control, Out
from .image import secrets_in
from .job import STOP_SECONDS, Job
from .journal import Journal
from .logs import JobLogs, open_logs
from .plan import Plan, read_plan
from .report import EVENTS, JobReport
from .settings import JobSettings, read_job_settings
from .watch import Watch

DONE, BAD_SETTINGS = 0, 2
# Of the grace, for the kernel's own part and a last answer on its way.
SPARE_SECONDS = 2.0


def main() -> int:
    """The exit code says nothing about the tests: 0 when the agent did its part."""
    os.umask(0o022)
    try:
        settings = read_job_settings(os.environ)
    except BadSettings as problem:
        print(problem, file=sys.stderr)
        return BAD_SETTINGS
    stop = Stop(STOP_SECONDS, last_words=last_words(settings))
    told_to_go = stop_on_signals(stop)
    stop.deadline.shorten(settings.caller.deadline_seconds)
    live(settings, stop)
    told_to_go.wait()
    return DONE


def last_words(settings: JobSettings) -> dict[str, float]:
    """After TERM there is the pod's grace for everything, and no harm in using all of it."""
    left = settings.grace_seconds - STOP_SECONDS - SPARE_SECONDS
    return {**LAST_WORDS_SECONDS, "terminated": max(1.0, left)}


def live(settings: JobSettings, stop: Stop) -> None:
    """Ends by letting the others go."""
    control = Control(settings.ctl)
    wire = api.connect(settings.caller, stop.deadline)
    journal = Journal(settings.work / "journal.json")
    try:
        answer = wire.deliver(api.claim(settings.instance), api.fields)
        journal.since_claim()
        order = WorkOrder.from_claim(api.fields(answer), settings.secrets)
        plan = read_plan(settings.plan)
    except BadWorkOrder as problem:
        tell_bad_order(str(problem), wire)
        leave_without_work(str(problem), control)
    except (Refused, GaveUp) as end:
        leave_without_work(str(end), control)
    else:
        control.claimed()
        job = open_job(order, plan, settings, journal, wire, stop)
        end_with_report(job, journal, stop)
        control.quit()


def leave_without_work(why: str, control: Control) -> None:
    print(why, file=sys.stderr, flush=True)
    control.refuse(why)
    control.stop()
    control.quit()


def tell_bad_order(problem: str, wire: Wire) -> None:
    report: dict[str, Any] = {"exit_code": None, "counts": {}, "phases": {}, "image_digest": ""}
    try:
        wire.deliver(api.event(EVENTS.index("agent_error"), "agent_error", problem))
        wire.deliver(api.finish(report))
    except (Refused, GaveUp) as end:
        print(end, file=sys.stderr, flush=True)


def open_job(
    order: WorkOrder,
    plan: Plan,
    settings: JobSettings,
    journal: Journal,
    wire: Wire,
    stop: Stop,
) -> Job:
    left = order.timeout_seconds - journal.since_claim()
    stop.deadline.shorten(max(0.0, left) + settings.report_seconds)
    logs = open_job_logs(order, settings)
    report = JobReport(
        logs.streams(),
        journal=journal,
        wire=wire,
        stop=stop,
        heartbeat_seconds=settings.heartbeat_seconds,
        log_seconds=settings.log_seconds,
    )
    out = Out(settings.out)
    watch = Watch(
        stop=stop,
        out=out,
        ends_at=time.monotonic() + left,
        look_seconds=settings.look_seconds,
    )
    return Job(
        order=order,
        plan=plan,
        settings=settings,
        report=report,
        logs=logs,
        control=Control(settings.ctl),
        out=out,
        watch=watch,
    )


def open_job_logs(order: WorkOrder, settings: JobSettings) -> JobLogs:
    logins = secrets_in(settings.registry.config) if settings.registry else []
    secrets = [*settings.secrets.values(), settings.caller.token, *logins]
    logs = open_logs(settings.work, cap_bytes=order.log_cap_bytes, secrets=secrets)
    logs.system.line(
        "The agent was started again and goes on"
        if logs.system.resumed
        else f"Task {order.task_id} in the pod {settings.instance}"
    )
    return logs


def end_with_report(job: Job, journal: Journal, stop: Stop) -> None:
    """What is reported once is not decided again."""
    if journal.finish is not None or work(job):
        job.report.deliver_logs()
        if journal.finish is None:
            collecting.tell_refused(job)
        job.report.finish(job.exit_code, job.image_digest)
    job.report.leave()
    if stop.reason:
        print(f"Stopped: {stop.reason}", file=sys.stderr, flush=True)


def work(job: Job) -> bool:
    """Whether a final report is due: the work was not taken away from this agent."""
    try:
        carry_out(job)
        return True
    except LeftToOthers:
        return False
    except Stopped as stopped:
        job.say(f"Stopped: {stopped}")
        job.stop_steps()
        return False
    except TimedOut as end:
        job.stop_steps()
        job.tell("timed_out", f"{end}: {job.order.timeout_seconds} seconds from the claim")
    except PreScriptFailed as failure:
        job.tell("pre_script_failed", str(failure))
    except StepFailed as failure:
        job.tell(failure.event or "agent_error", str(failure))
    except Exception as bug:  # whatever it is, the control plane must hear of it
        job.say(traceback.format_exc())
        job.stop_steps()
        job.tell("agent_error", f"{type(bug).__name__}: {bug}")
    return True
