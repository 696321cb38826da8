"""Placing Assignments, beside one raw claim statement after the other; and whether a long queue
or a long history slows it down."""

from contextlib import ExitStack

from tests.bench.progress import Progress
from tests.bench.results import Result, of_ratios
from tests.bench.rounds import medians, ratios, take_turns
from tests.bench.scale import Scale
from tests.bench.site import MakeSite, Placer

SHORT_QUEUE = 1_000
TARGET, AIM = 0.3, 0.55
SAME = 0.8


def measure(make_site: MakeSite, scale: Scale, progress: Progress) -> list[Result]:
    """Three databases, so that all can take turns: a short queue, a long one, and a short one
    with a long history."""
    with ExitStack() as running:
        placers = {
            name: running.enter_context(make_site(name).placer())
            for name in ("short", "long", "old")
        }
        _fill(placers, scale, progress)
        count = scale.place_count
        sides = {
            "raw": lambda: float(placers["short"].do("claim", count=count)),
            "short": lambda: float(placers["short"].do("place", count=count)),
            "long": lambda: float(placers["long"].do("place", count=count)),
            "old": lambda: float(placers["old"].do("place", count=count)),
        }
        found = take_turns("Placing Assignments", sides, scale.place_rounds, progress)
    return [
        of_ratios(
            "place.raw",
            "Assignments placed by raw claims, per second",
            ratios(found, "short", "raw"),
            target=TARGET,
            aim=AIM,
            details=medians(found, "short", "raw"),
        ),
        of_ratios(
            "place.long_queue",
            f"Placed with {scale.queued:,} queued by those with {SHORT_QUEUE:,}",
            ratios(found, "long", "short"),
            target=SAME,
            details=medians(found, "long", "short"),
        ),
        of_ratios(
            "place.long_history",
            f"Placed with {scale.finished:,} finished Tasks by those with {SHORT_QUEUE:,}",
            ratios(found, "old", "short"),
            target=SAME,
            details=medians(found, "old", "short"),
        ),
    ]


def _fill(placers: dict[str, Placer], scale: Scale, progress: Progress) -> None:
    with progress.phase(f"Making {SHORT_QUEUE:,} queued and as many finished Tasks"):
        placers["short"].do("fill", queued=SHORT_QUEUE, finished=SHORT_QUEUE)
    with progress.phase(f"Making {scale.queued:,} queued Tasks"):
        placers["long"].do("fill", queued=scale.queued, finished=SHORT_QUEUE)
    with progress.phase(f"Making {scale.finished:,} finished Tasks"):
        placers["old"].do("fill", queued=SHORT_QUEUE, finished=scale.finished)
