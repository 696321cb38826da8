"""The backends side by side: verdicts, times and cost of the Tasks that ended in a time.

A Task counts once, for the backend of its last attempt, at the time when that attempt closed.
What failed is counted by attempts: each for its own backend, at the time when it closed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from dispatch.bills import Cost, droplet_cost
from dispatch.measuring import RUN, Percentiles, Span, measure, sample_of
from dispatch.models import Assignment
from dispatch.models.assignment import Purpose
from dispatch.outcomes import Category, TaskState, failed_by_infrastructure

# The ledger of droplet lives belongs to this backend, whether or not it is still configured.
DROPLETS = "droplets"
VERDICTS = (TaskState.PASSED, TaskState.FAILED, TaskState.ERRORED, TaskState.CANCELLED)

TIMES = {
    "queue_wait": Span("created_at", "claimed_at", image_wait=-1),
    "run": RUN,
    "total": Span("task__created_at", "task__finished_at"),
}
# The phases of an attempt, from one moment to the next; each by the server's clock.
PHASES = {
    "queued": Span("created_at", "placed_at", image_wait=-1),
    "starting": Span("placed_at", "claimed_at"),
    "cloning": Span("claimed_at", "cloned_at"),
    "building": Span("cloned_at", "built_at", image_wait=1),
    "services": Span("built_at", "services_ready_at"),
    "preparing": Span("services_ready_at", "tests_started_at"),
    "testing": Span("tests_started_at", "reported_at"),
    "finishing": Span("reported_at", "closed_at"),
    "releasing": Span("closed_at", "released_at"),
}


def _no_phases() -> dict[str, Percentiles]:
    return {name: Percentiles() for name in PHASES}


@dataclass(frozen=True, kw_only=True)
class BackendSummary:
    """One backend's Tasks that ended in the time asked about.

    `queue_wait`: attempt queued -> claimed by an agent. `run`: claimed -> closed. Both of the
    last attempt, and only where an agent claimed it. `total`: Task accepted -> Task ended, with
    every attempt in between. `phases`: those of the last attempt, each where both its ends were
    reported. The wait for an image that another attempt built is part of `run` and of the phase
    `building`, and of neither `queue_wait` nor the phase `queued`. Of very many Tasks only one in
    `one_in` is measured. `cost` is None where nothing is known about this backend's cost.

    Of the attempts that closed there in that time: `attempts`, how many of them ended by each
    category that counts as an infrastructure failure (`failures`), how many were a Task's first
    one and not cancelled (`firsts`), and how many of these brought no verdict (`firsts_failed`).
    `fell_back`: Tasks that left this backend for the other one in that time.
    """

    backend: str
    passed: int = 0
    failed: int = 0
    errored: int = 0
    cancelled: int = 0
    retried: int = 0
    queue_wait: Percentiles = field(default_factory=Percentiles)
    run: Percentiles = field(default_factory=Percentiles)
    total: Percentiles = field(default_factory=Percentiles)
    phases: dict[str, Percentiles] = field(default_factory=_no_phases)
    attempts: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    firsts: int = 0
    firsts_failed: int = 0
    fell_back: int = 0
    cost: Cost | None = None
    one_in: int = 1

    @property
    def tasks(self) -> int:
        return self.passed + self.failed + self.errored + self.cancelled

    @property
    def cost_per_task(self) -> Decimal | None:
        """Idle droplets included. None without a Task, a bill, or every price."""
        if self.cost is None or self.cost.unpriced or not self.cost.lives or not self.tasks:
            return None
        return self.cost.total / self.tasks


def summary(since: datetime, until: datetime) -> list[BackendSummary]:
    """One line for each configured backend and each one of the Rollout, in that order."""
    names = dict.fromkeys([*settings.BACKENDS, *settings.ROLLOUT.values()])
    return [_summary(name, since, until) for name in names]


def verdicts(backend: str, since: datetime, until: datetime) -> dict[str, int]:
    """How many of the backend's Tasks ended in each terminal state; every one is a key."""
    found = _counts(final_attempts(backend, since, until))
    return {state.value: found[state] for state in VERDICTS}


def closed_attempts(backend: str, since: datetime, until: datetime) -> QuerySet[Assignment]:
    """The primary attempts that closed there in [since, until)."""
    closed = Assignment.objects.filter(backend=backend, closed_at__gte=since, closed_at__lt=until)
    return closed.filter(purpose=Purpose.PRIMARY)


def final_attempts(backend: str, since: datetime, until: datetime) -> QuerySet[Assignment]:
    """The last primary attempts of the Tasks that ended there in [since, until): a Task whose
    last attempt is closed has ended, for what closes an attempt makes the next one with it."""
    later = Assignment.objects.filter(
        task=OuterRef("task"), purpose=Purpose.PRIMARY, number__gt=OuterRef("number")
    )
    # Said once more for the database: only the few that follow another one need be looked at.
    return closed_attempts(backend, since, until).filter(~Exists(later.filter(number__gt=1)))


def _summary(backend: str, since: datetime, until: datetime) -> BackendSummary:
    attempts = final_attempts(backend, since, until)
    counts = _counts(attempts)
    ended = sum(counts[state.value] for state in VERDICTS)
    sample = sample_of(attempts, ended)
    times = measure(sample.attempts, {**TIMES, **PHASES})
    return BackendSummary(
        backend=backend,
        **counts,
        one_in=sample.one_in,
        queue_wait=times["queue_wait"],
        run=times["run"],
        total=times["total"],
        phases={name: times[name] for name in PHASES},
        **_ends(backend, since, until),
        fell_back=_fallbacks(backend, since, until),
        cost=droplet_cost(since, until) if backend == DROPLETS else None,
    )


def _counts(attempts: QuerySet[Assignment]) -> dict[str, Any]:
    verdicts = {state.value: Count("id", Q(task__state=state)) for state in VERDICTS}
    return attempts.aggregate(**verdicts, retried=Count("id", Q(number__gt=1)))


def _ends(backend: str, since: datetime, until: datetime) -> dict[str, Any]:
    rows = closed_attempts(backend, since, until).values_list("category")
    counted = rows.annotate(n=Count("id"), firsts=Count("id", Q(number=1))).order_by()
    found = sorted(counted, key=lambda row: (-row[1], row[0]))
    failed = [row for row in found if failed_by_infrastructure(row[0])]
    return {
        "attempts": sum(n for _, n, _ in found),
        "failures": {category: n for category, n, _ in failed},
        "firsts": sum(firsts for category, _, firsts in found if category != Category.CANCELLED),
        "firsts_failed": sum(firsts for _, _, firsts in failed),
    }


def _fallbacks(backend: str, since: datetime, until: datetime) -> int:
    """Starts from the few Tasks that fell back at all, which have an index of their own."""
    following = Assignment.objects.filter(
        task=OuterRef("task"), number=OuterRef("number") + 1
    ).exclude(backend=backend)
    fell = Assignment.objects.filter(
        backend=backend,
        purpose=Purpose.PRIMARY,
        task__fell_back_at__gte=since,
        task__fell_back_at__lt=until,
    )
    return fell.filter(Exists(following)).count()
