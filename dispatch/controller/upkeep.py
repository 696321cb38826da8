"""The core's other loops: timeouts, reports that were not judged, Tasks without a backend,
webhooks, background functions."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django_q.tasks import async_task

from dispatch import webhooks
from dispatch.agent_api.judging import close_by_report
from dispatch.backends import Loop
from dispatch.models import Assignment, LoopBeat
from dispatch.models.assignment import UNREPORTED
from dispatch.outcomes import Category
from dispatch.placement import rehome

PROBE_EVERY = 15.0
RETENTION_EVERY = timedelta(hours=6)
REPORT_SECONDS = timedelta(seconds=5)
NEVER_TAKEN_UP = "The agent never took up what it was handed."


def enforce_timeouts() -> None:
    """The agent ends its Task by itself; this is for the one that does not, and for the one that
    was handed a Task and never took it up. A claim that comes meanwhile moves the deadline, and
    what has reported in time is judged by that."""
    grace = timedelta(seconds=settings.DEADLINE_GRACE_SECONDS)
    unreported = Assignment.overdue(timezone.now(), grace).filter(UNREPORTED)
    for assignment in unreported.select_related("task"):
        still = Q(deadline_at=assignment.deadline_at) & UNREPORTED
        if assignment.claimed_at is None:
            assignment.close(Category.AGENT_LOST, NEVER_TAKEN_UP, still=still)
        else:
            assignment.close(Category.TIMEOUT, _too_long(assignment), still=still)


def _too_long(assignment: Assignment) -> str:
    minutes = assignment.task.timeout_seconds / 60
    return (
        f"The Task ran longer than its timeout of {minutes:g} minutes: "
        "raise it, or split the suite further."
    )


def judge_reports() -> None:
    """The web process that takes an agent's finish decides by it, too. This is for the one that
    ended between the two, as the agent may have, which else would send it again."""
    before = timezone.now() - REPORT_SECONDS
    kept = Assignment.objects.filter(~UNREPORTED, closed_at=None, finished_at__lt=before)
    for assignment in kept.select_related("task"):
        close_by_report(assignment)


def probe_functions() -> None:
    """Ask the qcluster for a sign of life; `dispatch.functions.probe` gives it."""
    from django_q.models import OrmQ

    if OrmQ.objects.count() < 100:
        async_task("dispatch.functions.probe")


def ask_for_retention() -> None:
    beat = LoopBeat.objects.filter(name="retention").first()
    if beat is None or timezone.now() - beat.at > RETENTION_EVERY:
        LoopBeat.record("retention", every=RETENTION_EVERY.total_seconds())
        async_task("dispatch.functions.apply_retention")


LOOPS = (
    Loop(name="timeouts", step=enforce_timeouts, every=1.0),
    Loop(name="reports", step=judge_reports, every=2.0),
    Loop(name="rehome", step=rehome, every=5.0, wakes=frozenset({"homeless"})),
    Loop(name="webhooks", step=webhooks.enqueue_due, every=1.0, wakes=frozenset({"webhooks"})),
    Loop(name="probe", step=probe_functions, every=PROBE_EVERY),
    Loop(name="ask for retention", step=ask_for_retention, every=300.0),
)
