"""The picture of a Task's time: one bar for each attempt, cut into phases. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from dispatch.models import Assignment

# Across in percent of the picture, down in pixels.
WIDTH = 100.0
NARROWEST = 0.2
AXIS = 22
ROW = 26

# The phase that ends when a column is filled, in the order of an attempt's life.
PHASES = (
    ("placed_at", "queued", "waiting for a place"),
    ("claimed_at", "starting", "placed, until the agent claimed it"),
    ("cloned_at", "cloning", "cloning the repository"),
    ("built_at", "building", "building the image"),
    ("services_ready_at", "services", "pre script and services"),
    ("tests_started_at", "preparing", "until the tests started"),
    ("reported_at", "testing", "running the tests"),
    ("closed_at", "finishing", "last reports, until the outcome was decided"),
    ("released_at", "releasing", "until the backend held nothing any more"),
)
# A part of the queue that is none: the build of an image, which another attempt does.
IMAGE_WAIT = len(PHASES)
SHOWN = (*PHASES, ("", "building", "waiting for the image that another Task builds"))


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A phase as drawn: `x` and `width` in percent, `seconds` long; an open one goes on."""

    phase: str
    meaning: str
    x: float
    width: float
    seconds: float
    open: bool = False


@dataclass(frozen=True, kw_only=True)
class Bar:
    attempt: Assignment
    y: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """`ticks` are (x, seconds since the Task was accepted)."""

    bars: tuple[Bar, ...]
    seconds: float
    ticks: tuple[tuple[float, float], ...]

    @property
    def height(self) -> int:
        return AXIS + ROW * len(self.bars)


def timeline(start: datetime, attempts: Sequence[Assignment], now: datetime) -> Timeline:
    """Draw the attempts from the Task's acceptance to the last thing that happened, or now."""
    spans = [(attempt, list(_spans(attempt, now))) for attempt in attempts]
    ends = [span[2] for _, found in spans for span in found]
    seconds = max([(end - start).total_seconds() for end in ends], default=0.0)
    scale = WIDTH / max(seconds, 0.001)
    bars = tuple(
        Bar(
            attempt=attempt,
            y=AXIS + ROW * row,
            segments=tuple(_segments(found, start, scale)),
        )
        for row, (attempt, found) in enumerate(spans)
    )
    return Timeline(bars=bars, seconds=seconds, ticks=tuple(_ticks(seconds, scale)))


Span = tuple[int, datetime, datetime, bool]


def _spans(attempt: Assignment, now: datetime) -> Iterator[Span]:
    """(phase number, start, end, goes on) of each phase that is known; a phase nobody reported
    is part of the next one that somebody did. One that was cut short ends at the close."""
    start, following = attempt.created_at, 0
    for number, (column, _, _) in enumerate(PHASES):
        moment = getattr(attempt, column)
        if moment is None:
            continue
        if moment >= start and not (column == "built_at" and attempt.image_from):
            phase = following if column == "closed_at" else number
            yield from _with_image_wait(attempt, (phase, start, moment, False))
            start = moment
        following = number + 1
    if following < len(PHASES):
        yield from _with_image_wait(attempt, (following, start, max(now, start), True))


def _with_image_wait(attempt: Assignment, span: Span) -> Iterator[Span]:
    """The wait for an image was somewhere in the queue: it is drawn at its end."""
    number, start, end, is_open = span
    waited = attempt.image_wait
    goes_on = attempt.pending_since if is_open and attempt.waits_for else None
    if number != 0 or not (waited or goes_on):
        yield span
        return
    begin = max(start, (goes_on or end) - waited)
    yield 0, start, begin, False
    yield IMAGE_WAIT, begin, end, bool(goes_on)


def _segments(spans: Iterable[Span], start: datetime, scale: float) -> Iterator[Segment]:
    for number, begin, end, is_open in spans:
        seconds = (end - begin).total_seconds()
        yield Segment(
            phase=SHOWN[number][1],
            meaning=SHOWN[number][2],
            x=(begin - start).total_seconds() * scale,
            width=max(seconds * scale, NARROWEST),
            seconds=seconds,
            open=is_open,
        )


def _ticks(seconds: float, scale: float) -> Iterator[tuple[float, float]]:
    """At most six, at round numbers of seconds."""
    steps = (0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)
    step = next((step for step in steps if seconds / step <= 6), seconds / 6)
    count = int(seconds / step) if step else 0
    for number in range(count + 1):
        yield number * step * scale, number * step
