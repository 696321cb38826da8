"""How it went over a time: the Tasks that ended and how long they ran, by backend and bucket."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Aggregate, Count, F, FloatField, QuerySet, Value
from django.db.models.functions import Extract, Floor

from dispatch.comparison import final_attempts
from dispatch.measuring import RUN, PercentileDisc, length, percentiles, sample_of, seconds_of
from dispatch.models import Assignment

MOST_BUCKETS = 60
MINUTE, HOUR, DAY = 60, 3600, 86_400
# Lengths of buckets in seconds, of which a clock or a calendar shows whole ones.
LENGTHS = (
    *(1, 5, 10, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY),
)


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """`ended` Tasks, and the median of their runs (`measuring.RUN`) in seconds."""

    ended: int = 0
    p50: float | None = None


EMPTY = Bucket()


@dataclass(frozen=True, kw_only=True)
class Course:
    """`count` buckets of `seconds` each, from `begin` on. `series`: by backend, the buckets in
    which something ended, by their number."""

    begin: datetime
    seconds: int
    count: int
    series: dict[str, dict[int, Bucket]]

    def start_of(self, number: int) -> datetime:
        return self.begin + timedelta(seconds=self.seconds * number)

    @property
    def end(self) -> datetime:
        return self.start_of(self.count)


def course(since: datetime, until: datetime) -> Course:
    """The same Tasks as in `comparison.summary`: each once, at the time when it ended."""
    seconds = bucket_length((until - since).total_seconds())
    begin = datetime.fromtimestamp(floor(since.timestamp() / seconds) * seconds, tz=since.tzinfo)
    count = max(1, ceil((until - begin).total_seconds() / seconds))
    names = dict.fromkeys([*settings.BACKENDS, *settings.ROLLOUT.values()])
    look = _buckets_there if connection.vendor == "postgresql" else _buckets_here
    series = {name: look(final_attempts(name, since, until), begin, seconds) for name in names}
    return Course(begin=begin, seconds=seconds, count=count, series=series)


def bucket_length(seconds: float) -> int:
    """The shortest of LENGTHS of which at most MOST_BUCKETS cover the time."""
    wanted = (length for length in LENGTHS if seconds <= length * MOST_BUCKETS)
    return next(wanted, ceil(seconds / MOST_BUCKETS / DAY) * DAY)


def _buckets_here(
    attempts: QuerySet[Assignment], begin: datetime, seconds: int
) -> dict[int, Bucket]:
    ended: dict[int, int] = {}
    runs: dict[int, list[float]] = {}
    columns = attempts.values_list("closed_at", "claimed_at", "image_wait")
    for closed_at, claimed_at, image_wait in columns.iterator():
        assert closed_at is not None
        number = floor((closed_at - begin).total_seconds() / seconds)
        ended[number] = ended.get(number, 0) + 1
        if claimed_at is not None:
            run = seconds_of(closed_at - claimed_at + image_wait)
            runs.setdefault(number, []).append(run)
    return {
        number: Bucket(ended=count, p50=percentiles(runs.get(number, ())).p50)
        for number, count in sorted(ended.items())
    }


def _buckets_there(
    attempts: QuerySet[Assignment], begin: datetime, seconds: int
) -> dict[int, Bucket]:
    """The same in the database: a long history stays where it is."""
    since = Extract(F("closed_at") - Value(begin), "epoch", output_field=FloatField())
    number = Floor(since / Value(float(seconds)))

    def by_bucket(rows: QuerySet[Assignment], **wanted: Aggregate) -> dict[int, Any]:
        grouped = rows.annotate(bucket=number).values_list("bucket").annotate(**wanted)
        return {int(bucket): value for bucket, value in grouped.order_by("bucket")}

    ended = by_bucket(attempts, ended=Count("id"))
    sample = sample_of(attempts, sum(ended.values())).attempts
    run = PercentileDisc(length(RUN), 0.50)
    runs = by_bucket(sample, p50=run)
    return {
        number: Bucket(ended=count, p50=_first(runs.get(number))) for number, count in ended.items()
    }


def _first(values: Iterable[timedelta | None] | None) -> float | None:
    """Of an array with one percentile in it; NULL where nothing was measured."""
    (value,) = values or (None,)
    return None if value is None else seconds_of(value)
