"""The backends side by side: verdicts, times and cost of the Tasks that ended in a time.

A Task counts once, for the backend of its last attempt, at the time when that attempt closed.
Percentiles are order statistics (nearest rank): a value that was really seen, nothing between.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from math import ceil

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from dispatch.models import Assignment, DropletLife
from dispatch.models.assignment import Purpose
from dispatch.outcomes import TERMINAL, TaskState

# The ledger of droplet lives belongs to this backend, whether or not it is still configured.
DROPLETS = "droplets"
# DigitalOcean bills a droplet's seconds, but at least a minute and a cent.
LEAST_BILLED_SECONDS = 60
LEAST_BILL = Decimal("0.01")
# With fewer values the sample itself has no safe upper bound for the 95th percentile.
ENOUGH_FOR_P95 = 76


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """Of `n` durations in seconds; None where there are none."""

    n: int = 0
    p50: float | None = None
    p95: float | None = None

    @property
    def few(self) -> bool:
        """Too few for the 95th percentile to be more than a hint."""
        return self.n < ENOUGH_FOR_P95


@dataclass(frozen=True, kw_only=True)
class Cost:
    """USD. `lives` droplets were billed; `unpriced` more have no known price, so that the sum
    is too small by theirs."""

    total: Decimal = Decimal(0)
    lives: int = 0
    unpriced: int = 0


@dataclass(frozen=True, kw_only=True)
class BackendSummary:
    """One backend's Tasks that ended in the time asked about.

    `queue_wait`: attempt queued -> claimed by an agent. `run`: claimed -> closed. Both of the
    last attempt, and only where an agent claimed it. `total`: Task accepted -> Task ended, with
    every attempt in between. `cost` is None where nothing is known about this backend's cost.
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
    cost: Cost | None = None

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
    counted = final_attempts(backend, since, until).values("task__state").annotate(n=Count("id"))
    found = {row["task__state"]: row["n"] for row in counted.order_by()}
    return {
        state.value: found.get(state, 0)
        for state in (TaskState.PASSED, TaskState.FAILED, TaskState.ERRORED, TaskState.CANCELLED)
    }


def final_attempts(backend: str, since: datetime, until: datetime) -> QuerySet[Assignment]:
    """The last primary attempts of the Tasks that ended there in [since, until)."""
    later = Assignment.objects.filter(
        task=OuterRef("task"), purpose=Purpose.PRIMARY, number__gt=OuterRef("number")
    )
    closed = Assignment.objects.filter(backend=backend, closed_at__gte=since, closed_at__lt=until)
    ended = closed.filter(purpose=Purpose.PRIMARY, task__state__in=TERMINAL)
    return ended.filter(~Exists(later))


def percentiles(values: Iterable[float]) -> Percentiles:
    ordered = sorted(values)
    return Percentiles(n=len(ordered), p50=_at(ordered, 0.50), p95=_at(ordered, 0.95))


def _at(ordered: Sequence[float], quantile: float) -> float | None:
    """The smallest value with at least that share of the values at or below it."""
    return ordered[ceil(quantile * len(ordered)) - 1] if ordered else None


def _summary(backend: str, since: datetime, until: datetime) -> BackendSummary:
    attempts = final_attempts(backend, since, until)
    columns = ("created_at", "claimed_at", "closed_at", "task__created_at", "task__finished_at")
    times = list(attempts.values_list(*columns))
    return BackendSummary(
        backend=backend,
        **verdicts(backend, since, until),
        retried=attempts.filter(number__gt=1).count(),
        queue_wait=percentiles(_seconds((created, claimed) for created, claimed, *_ in times)),
        run=percentiles(_seconds((claimed, closed) for _, claimed, closed, *_ in times)),
        total=percentiles(_seconds((accepted, ended) for *_, accepted, ended in times)),
        cost=droplet_cost(since, until) if backend == DROPLETS else None,
    )


def _seconds(spans: Iterable[tuple[datetime | None, datetime | None]]) -> Iterator[float]:
    """Of the spans that began and ended."""
    for start, end in spans:
        if start is not None and end is not None:
            yield max(0.0, (end - start).total_seconds())


def droplet_cost(since: datetime, until: datetime) -> Cost:
    """What the droplets cost in [since, until), idle ones included.

    What a life has cost never shrinks, and a time's share of it is the difference between the
    time's two ends: so the costs of adjoining times add up to the whole bill.
    """
    began = DropletLife.objects.filter(created_at__lt=until)
    lives = list(began.filter(Q(destroyed_at=None) | Q(destroyed_at__gt=since)))
    priced = [life for life in lives if life.hourly_price is not None]
    total = sum((bill(life, until) - bill(life, since) for life in priced), Decimal(0))
    return Cost(total=total, lives=len(lives), unpriced=len(lives) - len(priced))


def bill(life: DropletLife, at: datetime) -> Decimal:
    """What the life of a droplet with a known price has cost up to a moment, in USD."""
    if life.hourly_price is None or life.created_at is None or life.created_at >= at:
        return Decimal(0)
    end = min(at, life.destroyed_at or at)
    seconds = max(LEAST_BILLED_SECONDS, (end - life.created_at).total_seconds())
    return max(LEAST_BILL, Decimal(seconds) * life.hourly_price / 3600)
