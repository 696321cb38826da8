"""Order statistics, by two ways to the same figures, and by samples of very many."""

from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from dispatch import measuring
from dispatch.comparison import PHASES, TIMES, final_attempts
from dispatch.measuring import measured_here, measured_there, percentiles, sample_of
from dispatch.models import Assignment
from tests.dispatch.ends import HOUR, START, ended

database = pytest.mark.django_db
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="asks PostgreSQL")


def test_percentiles_are_the_nearest_ranks() -> None:
    found = percentiles([float(number) for number in range(100, 0, -1)])
    assert (found.n, found.p50, found.p95) == (100, 50.0, 95.0)


@pytest.mark.parametrize(
    ("values", "p50", "p95"),
    [([7.0], 7.0, 7.0), ([1.0, 9.0], 1.0, 9.0), ([3.0, 1.0, 2.0], 2.0, 3.0), ([], None, None)],
)
def test_percentiles_of_few_values_are_values_that_were_seen(
    values: list[float], p50: float | None, p95: float | None
) -> None:
    found = percentiles(values)
    assert (found.p50, found.p95, found.few) == (p50, p95, True)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_at_least_the_share_lies_at_or_below_a_percentile(values: list[float]) -> None:
    found = percentiles(values)
    assert found.p50 is not None and found.p95 is not None
    for quantile, value in ((0.5, found.p50), (0.95, found.p95)):
        assert sum(one <= value for one in values) >= quantile * len(values)
        assert sum(one < value for one in values) < quantile * len(values)


def test_a_p95_is_more_than_a_hint_from_76_values_on() -> None:
    assert percentiles([1.0] * 75).few
    assert not percentiles([1.0] * 76).few


# Two ways to the same figures -----------------------------------------------------------------


@database
@on_postgresql
def test_the_database_measures_as_we_do() -> None:
    for number in range(40):
        claimed = None if number % 7 == 0 else number % 13
        attempt = ended(claimed=claimed, closed=20 + number * number % 101)
        waited = timedelta(seconds=number % 5)
        Assignment.objects.filter(pk=attempt.pk).update(image_wait=waited)
    attempts = final_attempts("droplets", START, START + HOUR)
    here = measured_here(attempts, {**TIMES, **PHASES})
    assert here == measured_there(attempts, {**TIMES, **PHASES})
    assert here["total"].n == 40 and here["run"].n == 34


@database
def test_a_span_that_clocks_turned_round_is_nothing() -> None:
    ended(claimed=5, closed=3)
    attempts = final_attempts("droplets", START, START + HOUR)
    assert measuring.measure(attempts, TIMES)["run"].p50 == 0.0


# Samples --------------------------------------------------------------------------------------


@database
def test_few_are_measured_all() -> None:
    ended()
    attempts = final_attempts("droplets", START, START + HOUR)
    sample = sample_of(attempts, measuring.MOST_MEASURED)
    assert (sample.one_in, sample.attempts.count()) == (1, 1)


@database
@on_postgresql
def test_of_very_many_an_even_part_is_measured_and_always_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring, "MOST_MEASURED", 20)
    for _ in range(60):
        ended()
    attempts = final_attempts("droplets", START, START + HOUR)
    first, again = (sample_of(attempts, 60) for _ in range(2))
    chosen = set(first.attempts.values_list("pk", flat=True))
    assert first.one_in == 3
    assert 6 <= len(chosen) <= 38
    assert chosen == set(again.attempts.values_list("pk", flat=True))
    measured = measured_there(first.attempts, TIMES)
    assert measured["run"].n == len(chosen)


def test_a_sample_s_median_is_near() -> None:
    """What the sample's size promises: the rank is off by a few thousandths."""
    values = [float(number) for number in range(200_000)]
    found = percentiles(values[3::4])
    assert found.p50 is not None
    assert abs(found.p50 / 200_000 - 0.5) < 0.005
