"""How long things took: order statistics of the spans between two columns of Assignments.

Percentiles are nearest ranks: a value that was really seen, nothing between. PostgreSQL finds them
itself, so that a long history stays where it is; both ways give the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any

from django.db import connection
from django.db.models import (
    Aggregate,
    BigIntegerField,
    Count,
    DurationField,
    Expression,
    ExpressionWrapper,
    F,
    Field,
    Func,
    QuerySet,
    Value,
)
from django.db.models.functions import Abs, Cast, Mod

from dispatch.models import Assignment

# With fewer values the sample itself has no safe upper bound for the 95th percentile.
ENOUGH_FOR_P95 = 76
MOST_MEASURED = 50_000


@dataclass(frozen=True)
class Span:
    """From one moment of an Assignment to another. Its wait for an image that another one built is
    taken from it (-1), as it is no time in the queue, or added (1), as that is its build."""

    start: str
    end: str
    image_wait: int = 0


Spans = Mapping[str, Span]
# How long an attempt ran, from its agent's claim on.
RUN = Span("claimed_at", "closed_at", image_wait=1)


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


def percentiles(values: Iterable[float]) -> Percentiles:
    ordered = sorted(values)
    return Percentiles(n=len(ordered), p50=_at(ordered, 0.50), p95=_at(ordered, 0.95))


def _at(ordered: Sequence[float], quantile: float) -> float | None:
    """The smallest value with at least that share of the values at or below it."""
    return ordered[ceil(quantile * len(ordered)) - 1] if ordered else None


def measure(attempts: QuerySet[Assignment], spans: Spans) -> dict[str, Percentiles]:
    """The spans of these attempts, each where both of its ends are known."""
    there = connection.vendor == "postgresql"
    return (measured_there if there else measured_here)(attempts, spans)


def measured_here(attempts: QuerySet[Assignment], spans: Spans) -> dict[str, Percentiles]:
    columns = {"image_wait", *(name for span in spans.values() for name in (span.start, span.end))}
    found: dict[str, list[float]] = {name: [] for name in spans}
    for row in attempts.values(*columns).iterator():
        for name, span in spans.items():
            start, end = row[span.start], row[span.end]
            if start is not None and end is not None:
                found[name].append(seconds_of(end - start + span.image_wait * row["image_wait"]))
    return {name: percentiles(values) for name, values in found.items()}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """All of some attempts, or of very many one in `one_in`: always the same ones."""

    attempts: QuerySet[Assignment]
    one_in: int = 1


def sample_of(attempts: QuerySet[Assignment], count: int) -> Sample:
    """Of `count` attempts at least MOST_MEASURED / 2, by a hash of their ids.

    The rank of a percentile that is found in so many is off by a few thousandths at most."""
    one_in = ceil(count / MOST_MEASURED)
    if one_in <= 1 or connection.vendor != "postgresql":
        return Sample(attempts=attempts)
    # The hash is signed, and its lowest value has no absolute one in 32 bits.
    hashed = Cast(Func(F("id"), function="uuid_hash"), BigIntegerField())
    chosen = attempts.annotate(part=Mod(Abs(hashed), Value(one_in))).filter(part=0)
    return Sample(attempts=chosen, one_in=one_in)


class PercentileDisc(Aggregate):
    """PostgreSQL's own order statistic: the same values that `percentiles` finds."""

    function = "percentile_disc"
    template = "%(function)s(ARRAY[%(quantiles)s]) WITHIN GROUP (ORDER BY %(expressions)s)"

    def __init__(self, expression: Expression, *quantiles: float) -> None:
        # psycopg reads an array of intervals as a list; Field has no converter of its own.
        listed = ", ".join(map(str, quantiles))
        super().__init__(expression, quantiles=listed, output_field=Field())


def measured_there(attempts: QuerySet[Assignment], spans: Spans) -> dict[str, Percentiles]:
    columns: dict[str, Aggregate] = {}
    for name, span in spans.items():
        columns[f"{name}_n"] = Count(length(span))
        columns[f"{name}_p"] = PercentileDisc(length(span), 0.50, 0.95)
    found = attempts.aggregate(**columns)
    return {name: _read(found[f"{name}_n"], found[f"{name}_p"]) for name in spans}


def length(span: Span) -> Expression:
    whole = F(span.end) - F(span.start)
    if span.image_wait:
        wait = F("image_wait")
        whole = whole + wait if span.image_wait > 0 else whole - wait
    return ExpressionWrapper(whole, output_field=DurationField())


def _read(n: int, values: Any) -> Percentiles:
    p50, p95 = (seconds_of(value) for value in values) if n else (None, None)
    return Percentiles(n=n, p50=p50, p95=p95)


def seconds_of(span: timedelta) -> float:
    """Clocks of two processes may differ: no span is below 0."""
    return max(0.0, span.total_seconds())
