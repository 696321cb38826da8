"""The backends side by side: verdicts, times and cost of the Tasks that ended in a time.

A Task counts once, for the backend of its last attempt, at the time when that attempt closed.
Percentiles are order statistics (nearest rank): a value that was really seen, nothing between.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import (
    Aggregate,
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
)

from dispatch.bills import Cost, droplet_cost
from dispatch.models import Assignment
from dispatch.models.assignment import Purpose
from dispatch.outcomes import TERMINAL, TaskState

# The ledger of droplet lives belongs to this backend, whether or not it is still configured.
DROPLETS = "droplets"
VERDICTS = (TaskState.PASSED, TaskState.FAILED, TaskState.ERRORED, TaskState.CANCELLED)
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
    found = _counts(final_attempts(backend, since, until))
    return {state.value: found[state] for state in VERDICTS}


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
    measure = _measured_there if connection.vendor == "postgresql" else _measured_here
    times = measure(attempts)
    return BackendSummary(
        backend=backend,
        **_counts(attempts),
        queue_wait=times["queue_wait"],
        run=times["run"],
        total=times["total"],
        cost=droplet_cost(since, until) if backend == DROPLETS else None,
    )


def _counts(attempts: QuerySet[Assignment]) -> dict[str, Any]:
    verdicts = {state.value: Count("id", Q(task__state=state)) for state in VERDICTS}
    return attempts.aggregate(**verdicts, retried=Count("id", Q(number__gt=1)))


SPANS = {
    "queue_wait": ("created_at", "claimed_at"),
    "run": ("claimed_at", "closed_at"),
    "total": ("task__created_at", "task__finished_at"),
}


def _measured_here(attempts: QuerySet[Assignment]) -> dict[str, Percentiles]:
    return {
        name: percentiles(
            max(0.0, (end - start).total_seconds())
            for start, end in attempts.values_list(*columns)
            if start is not None and end is not None
        )
        for name, columns in SPANS.items()
    }


class PercentileDisc(Aggregate):
    """PostgreSQL's own order statistic: the same value that `percentiles` finds."""

    function = "percentile_disc"
    template = "%(function)s(%(quantile)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = DurationField()


def _measured_there(attempts: QuerySet[Assignment]) -> dict[str, Percentiles]:
    """The same in the database: a long history stays where it is."""
    columns: dict[str, Aggregate] = {}
    for name, (start, end) in SPANS.items():
        span = ExpressionWrapper(F(end) - F(start), output_field=DurationField())
        columns[f"{name}_n"] = Count(span)
        columns[f"{name}_p50"] = PercentileDisc(span, quantile=0.50)
        columns[f"{name}_p95"] = PercentileDisc(span, quantile=0.95)
    found = attempts.aggregate(**columns)
    return {
        name: Percentiles(
            n=found[f"{name}_n"],
            p50=_seconds(found[f"{name}_p50"]),
            p95=_seconds(found[f"{name}_p95"]),
        )
        for name in SPANS
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else max(0.0, span.total_seconds())
