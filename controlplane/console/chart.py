"""The picture of a time, by backend and bucket, with the moments at which the weight changed. Pure.

Across everything is in percent of the picture, so that it fits any window; down in pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, floor, log10

from django.utils import timezone

from dispatch.course import DAY, EMPTY, Course
from dispatch.rollout import WeightChange

TOP, PLOT, AXIS = 22, 120, 20
BOTTOM = TOP + PLOT
HEIGHT = BOTTOM + AXIS
MOST_TICKS = 6
# Marks that are nearer to each other become one.
NEAREST_MARKS = 2.5
# Of a bucket's width, what its column fills.
FILLED = 0.8
# Whole ones of these many seconds make good marks on the axis of time.
TICK_STEPS = (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, DAY)
# Times in seconds for the axis of lengths.
TIMES = (
    *(0.1, 0.2, 0.5, 1, 2, 4, 10, 20, 30, 60, 120, 240, 360, 600, 1200, 1800, 3600),
    *(7200, 14_400, 21_600, 43_200, DAY),
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A part of a bucket's column: that of the `series`-th backend."""

    series: int
    x: float
    width: float
    y: float
    height: float
    start: datetime
    value: float


@dataclass(frozen=True, kw_only=True)
class Point:
    series: int
    x: float
    y: float
    start: datetime
    value: float


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A line between the points of two buckets in a row."""

    series: int
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One change of the weight, or several that lie close together; numbered from 1."""

    x: float
    label: str
    changes: tuple[WeightChange, ...]

    @property
    def anchor(self) -> str:
        """So that a label at the edge stays inside."""
        return "end" if self.x > 96 else "start" if self.x < 4 else "middle"


@dataclass(frozen=True, kw_only=True)
class Level:
    """A line across, with its value."""

    y: float
    value: float


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Two plots over the same time: Tasks ended, and the median of their runs."""

    columns: tuple[Column, ...]
    points: tuple[Point, ...]
    stretches: tuple[Stretch, ...]
    ended_levels: tuple[Level, ...]
    run_levels: tuple[Level, ...]
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[Mark, ...]
    height: int = HEIGHT
    top: int = TOP
    bottom: int = BOTTOM


def chart(course: Course, changes: Sequence[WeightChange]) -> Chart:
    most_ended = nice(max(_totals(course), default=0))
    runs = [bucket.p50 or 0.0 for series in course.series.values() for bucket in series.values()]
    longest = nice_time(max(runs, default=0.0))
    points = tuple(_points(course, longest))
    return Chart(
        columns=tuple(_columns(course, most_ended)),
        points=points,
        stretches=tuple(_stretches(points, 100 / course.count)),
        ended_levels=_levels(most_ended),
        run_levels=_levels(longest),
        ticks=tuple(_ticks(course)),
        marks=tuple(_marks(course, changes)),
    )


def nice(value: float) -> float:
    """The next round number: 1, 2 or 5 times a power of ten; 1 for nothing."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** floor(log10(value))
    return next(power * step for step in (1, 2, 5, 10) if value <= power * step * (1 + 1e-9))


def nice_time(seconds: float) -> float:
    """The next time that reads well, and whose half does."""
    return next((time for time in TIMES if seconds <= time), nice(seconds))


def _totals(course: Course) -> Iterator[int]:
    for number in range(course.count):
        yield sum(series.get(number, EMPTY).ended for series in course.series.values())


def _levels(most: float) -> tuple[Level, ...]:
    return tuple(Level(y=BOTTOM - PLOT * share, value=most * share) for share in (0.5, 1.0))


def _columns(course: Course, most: float) -> Iterator[Column]:
    """The old backend below, the new one on top of it."""
    width = 100 / course.count
    for number in range(course.count):
        y = float(BOTTOM)
        for place, series in enumerate(course.series.values()):
            ended = series.get(number, EMPTY).ended
            if not ended:
                continue
            height = PLOT * ended / most
            y -= height
            yield Column(
                series=place,
                x=width * (number + (1 - FILLED) / 2),
                width=width * FILLED,
                y=y,
                height=height,
                start=course.start_of(number),
                value=ended,
            )


def _points(course: Course, longest: float) -> Iterator[Point]:
    width = 100 / course.count
    for place, series in enumerate(course.series.values()):
        for number, bucket in sorted(series.items()):
            if bucket.p50 is not None:
                yield Point(
                    series=place,
                    x=width * (number + 0.5),
                    y=BOTTOM - PLOT * bucket.p50 / longest,
                    start=course.start_of(number),
                    value=bucket.p50,
                )


def _stretches(points: Sequence[Point], width: float) -> Iterator[Stretch]:
    """A bucket without a value leaves a gap."""
    for one, other in zip(points, points[1:], strict=False):
        if one.series == other.series and other.x - one.x < width * 1.5:
            yield Stretch(series=one.series, x1=one.x, y1=one.y, x2=other.x, y2=other.y)


def _x(course: Course, moment: datetime) -> float:
    share = (moment - course.begin) / (course.end - course.begin)
    return min(100.0, max(0.0, 100 * share))


def _ticks(course: Course) -> Iterator[tuple[float, str]]:
    """At most MOST_TICKS whole times of the console's zone; days where they are all midnights."""
    seconds = course.seconds * course.count
    step = next((one for one in TICK_STEPS if seconds / one <= MOST_TICKS), 0)
    step = step or ceil(seconds / MOST_TICKS / DAY) * DAY
    local = timezone.localtime(course.begin)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    form = "%b %d" if step >= DAY else "%H:%M" if step >= 60 else "%H:%M:%S"
    first = ceil((local - midnight).total_seconds() / step)
    for number in range(first, first + MOST_TICKS + 1):
        moment = datetime.fromtimestamp(midnight.timestamp() + number * step, tz=local.tzinfo)
        if moment < course.end:
            yield _x(course, moment), f"{moment:{form}}"


def _marks(course: Course, changes: Sequence[WeightChange]) -> Iterator[Mark]:
    groups: list[list[int]] = []
    places = [_x(course, change.entry.at) for change in changes]
    for number, x in enumerate(places):
        if groups and x - places[groups[-1][0]] < NEAREST_MARKS:
            groups[-1].append(number)
        else:
            groups.append([number])
    for group in groups:
        first, last = group[0], group[-1]
        yield Mark(
            x=places[first],
            label=str(first + 1) if first == last else f"{first + 1}–{last + 1}",
            changes=tuple(changes[first : last + 1]),
        )
