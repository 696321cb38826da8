"""The picture of a time. Pure."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from controlplane.console.chart import BOTTOM, MOST_TICKS, PLOT, chart, nice, nice_time
from dispatch.course import Bucket, Course
from dispatch.models import TrafficSplit
from dispatch.rollout import WeightChange

BEGIN = datetime(2026, 8, 7, 12, tzinfo=UTC)


def make_course(
    old: dict[int, Bucket] | None = None,
    new: dict[int, Bucket] | None = None,
    *,
    seconds: int = 60,
    count: int = 10,
) -> Course:
    series = {"droplets": old or {}, "kubernetes": new or {}}
    return Course(begin=BEGIN, seconds=seconds, count=count, series=series)


def change(seconds: float, weight: int = 10_000) -> WeightChange:
    entry = TrafficSplit(weight=weight, at=BEGIN + timedelta(seconds=seconds), reason="why")
    return WeightChange(before=0, entry=entry)


def test_the_columns_of_a_bucket_stand_on_each_other() -> None:
    course = make_course({2: Bucket(ended=6)}, {2: Bucket(ended=4)})
    old, new = chart(course, []).columns
    assert (old.series, new.series) == (0, 1)
    assert old.y + old.height == BOTTOM and new.y + new.height == pytest.approx(old.y)
    assert (old.height, new.height) == (PLOT * 0.6, PLOT * 0.4)
    assert old.x == new.x and 20 < old.x < old.x + old.width < 30


def test_nothing_is_drawn_where_nothing_ended() -> None:
    found = chart(make_course(), [])
    assert (found.columns, found.points, found.stretches) == ((), (), ())
    assert found.ticks


def test_medians_of_neighbours_are_joined_and_gaps_stay_open() -> None:
    values = {0: Bucket(ended=1, p50=30), 1: Bucket(ended=1, p50=60), 3: Bucket(ended=1, p50=15)}
    found = chart(make_course(values), [])
    assert [point.y for point in found.points] == [BOTTOM - PLOT / 2, BOTTOM - PLOT, BOTTOM - 30]
    (stretch,) = found.stretches
    assert (stretch.x1, stretch.x2) == (5.0, 15.0)


def test_the_lines_of_two_backends_are_not_joined() -> None:
    course = make_course({0: Bucket(ended=1, p50=30)}, {1: Bucket(ended=1, p50=60)})
    assert chart(course, []).stretches == ()


def test_what_ended_unclaimed_has_no_point() -> None:
    assert chart(make_course({0: Bucket(ended=3)}), []).points == ()


def test_a_change_of_weight_stands_where_it_was() -> None:
    (mark,) = chart(make_course(), [change(300)]).marks
    assert (mark.x, mark.label, mark.anchor) == (50.0, "1", "middle")


def test_changes_close_together_become_one_mark_that_names_them_all() -> None:
    given = [change(60), change(300), change(301), change(302), change(500)]
    marks = chart(make_course(), given).marks
    assert [mark.label for mark in marks] == ["1", "2–4", "5"]
    assert marks[1].changes == tuple(given[1:4])


def test_a_label_at_the_edge_stays_inside() -> None:
    first, last = chart(make_course(), [change(0), change(599)]).marks
    assert (first.anchor, last.anchor) == ("start", "end")


@pytest.mark.parametrize(
    ("value", "wanted"), [(0, 1), (1, 1), (3, 5), (7, 10), (10, 10), (11, 20), (0.3, 0.5)]
)
def test_levels_are_round_numbers(value: float, wanted: float) -> None:
    assert nice(value) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0, 0.1), (7, 10), (45, 60), (146, 240), (300, 360), (1900, 3600), (90_000, 100_000)],
)
def test_levels_of_time_are_times_that_read_well(seconds: float, wanted: float) -> None:
    assert nice_time(seconds) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("seconds", "form"), [(1, "%H:%M:%S"), (60, "%H:%M"), (1800, "%H:%M"), (43_200, "%b %d")]
)
def test_the_axis_has_few_ticks_at_whole_times_of_the_console_s_zone(
    seconds: int, form: str
) -> None:
    with timezone.override("Asia/Kolkata"):
        ticks = chart(make_course(seconds=seconds, count=60), []).ticks
        assert 2 <= len(ticks) <= MOST_TICKS + 1
        assert all(0 <= x < 100 for x, _ in ticks)
        first = BEGIN + timedelta(seconds=seconds * 60 * ticks[0][0] / 100)
        assert f"{timezone.localtime(first):{form}}" == ticks[0][1]
