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
# Name -> the columns in which a span begins and ends.
Spans = Mapping[str, tuple[str, str]]


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
    columns = list(dict.fromkeys(column for span in spans.values() for column in span))
    found: dict[str, list[float]] = {name: [] for name in spans}
    for row in attempts.values_list(*columns).iterator():
        moments = dict(zip(columns, row, strict=True))
        for name, (start, end) in spans.items():
            if moments[start] is not None and moments[end] is not None:
                found[name].append(_seconds(moments[end] - moments[start]))
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
    for name, (start, end) in spans.items():
        columns[f"{name}_n"] = Count(length(start, end))
        columns[f"{name}_p"] = PercentileDisc(length(start, end), 0.50, 0.95)
    found = attempts.aggregate(**columns)
    return {name: _read(found[f"{name}_n"], found[f"{name}_p"]) for name in spans}


def length(start: str, end: str) -> Expression:
    return ExpressionWrapper(F(end) - F(start), output_field=DurationField())


def _read(n: int, values: Any) -> Percentiles:
    p50, p95 = (_seconds(value) for value in values) if n else (None, None)
    return Percentiles(n=n, p50=p50, p95=p95)


def _seconds(span: timedelta) -> float:
    """Clocks of two processes may differ: no span is below 0."""
    return max(0.0, span.total_seconds())
