from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controlplane.console.timeline import PHASES, timeline
from dispatch.models import Assignment

START = datetime(2026, 8, 7, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def attempt(number: int = 1, created: float = 0, **columns: float) -> Assignment:
    moments: dict[str, Any] = {f"{name}_at": at(seconds) for name, seconds in columns.items()}
    return Assignment(number=number, created_at=at(created), **moments)


def phases(*attempts: Assignment, now: float = 1000) -> list[list[tuple[str, float]]]:
    drawn = timeline(START, attempts, at(now))
    return [[(one.phase, one.seconds) for one in bar.segments] for bar in drawn.bars]


def test_each_phase_lasts_from_the_one_before_it() -> None:
    whole = attempt(
        placed=1, claimed=3, cloned=6, built=16, services_ready=20, tests_started=21,
        reported=81, closed=82, released=97,
    )  # fmt: skip
    names = [phase for _, phase, _ in PHASES]
    assert phases(whole) == [list(zip(names, [1, 2, 3, 10, 4, 1, 60, 1, 15], strict=True))]


def test_a_phase_that_nobody_reported_is_part_of_the_next_one() -> None:
    sparse = attempt(placed=1, claimed=3, tests_started=23, reported=30, closed=31, released=32)
    assert phases(sparse)[0][2:4] == [("preparing", 20.0), ("testing", 7.0)]


def test_a_phase_that_was_cut_short_ends_at_the_close() -> None:
    lost = attempt(placed=1, claimed=3, cloned=5, closed=65, released=70)
    assert phases(lost) == [
        [("queued", 1), ("starting", 2), ("cloning", 2), ("building", 60), ("releasing", 5)]
    ]


def test_what_was_cancelled_in_the_queue_only_waited() -> None:
    assert phases(attempt(closed=9, released=9)) == [[("queued", 9), ("releasing", 0)]]


def test_the_phase_under_way_goes_on_until_now() -> None:
    drawn = timeline(START, [attempt(placed=1, claimed=3)], at(8))
    last = drawn.bars[0].segments[-1]
    assert (last.phase, last.seconds, last.open) == ("cloning", 5.0, True)
    assert drawn.seconds == 8.0


def test_a_released_attempt_is_over() -> None:
    drawn = timeline(START, [attempt(placed=1, claimed=2, closed=3, released=4)], at(100))
    assert not any(one.open for one in drawn.bars[0].segments)
    assert drawn.seconds == 4.0


def test_the_bars_of_all_attempts_share_one_scale() -> None:
    first = attempt(1, placed=0, claimed=0, closed=50, released=50)
    second = attempt(2, created=50, placed=50, claimed=50, closed=100, released=100)
    drawn = timeline(START, [first, second], at(500))
    widest = [max(bar.segments, key=lambda one: one.width) for bar in drawn.bars]
    assert [(one.x, one.width) for one in widest] == [(0.0, 50.0), (50.0, 50.0)]
    assert drawn.bars[0].y < drawn.bars[1].y < drawn.height


@pytest.mark.parametrize("seconds", [0.004, 0.7, 9, 187, 4000, 90_000, 10**7])
def test_the_axis_has_few_marks_at_round_times(seconds: float) -> None:
    drawn = timeline(START, [attempt(placed=0, claimed=0)], at(seconds))
    assert 1 <= len(drawn.ticks) <= 7
    assert all(0 <= x <= 100.000001 for x, _ in drawn.ticks)


def test_a_task_without_attempts_has_an_empty_picture() -> None:
    drawn = timeline(START, [], at(5))
    assert (drawn.bars, drawn.seconds) == ((), 0.0)


def test_the_wait_for_an_image_is_drawn_as_its_build() -> None:
    follower = attempt(placed=31, claimed=33, cloned=35, built=35, services_ready=40)
    follower.image_wait, follower.image_from = timedelta(seconds=25), follower.pk
    assert phases(follower, now=41)[0][:5] == [
        ("queued", 6), ("building", 25), ("starting", 2), ("cloning", 2), ("services", 5)
    ]  # fmt: skip


def test_one_that_waits_for_an_image_still_says_so() -> None:
    waiting = attempt()
    waiting.waits_for, waiting.pending_since = "an image", at(3)
    drawn = timeline(START, [waiting], at(10))
    (queued, building) = drawn.bars[0].segments
    assert (queued.phase, queued.seconds, queued.open) == ("queued", 3.0, False)
    assert (building.phase, building.seconds, building.open) == ("building", 7.0, True)
    assert "waiting for the image" in building.meaning
