from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from dispatch import bills, comparison
from dispatch.bills import bill, droplet_cost
from dispatch.comparison import percentiles, summary
from dispatch.ids import new_id
from dispatch.models import Assignment, DropletLife, Task
from dispatch.outcomes import Category
from tests.factories import make_assignment, make_suite_run

START = datetime(2026, 8, 7, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRICE = Decimal("0.07143")


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def ended(
    category: str = Category.PASSED,
    *,
    backend: str = "droplets",
    accepted: datetime = START,
    claimed: float | None = 5,
    closed: float = 65,
) -> Assignment:
    """A Task's attempt that closed so many seconds after it was accepted, at exact times."""
    attempt = make_assignment(make_suite_run(backend=backend))
    attempt.place(str(new_id()))
    if claimed is not None:
        attempt.claim("boot")
    attempt.close(category)
    set_times(attempt, accepted, claimed, closed)
    return attempt


def set_times(
    attempt: Assignment, accepted: datetime, claimed: float | None, closed: float
) -> None:
    Assignment.objects.filter(pk=attempt.pk).update(
        created_at=accepted,
        claimed_at=None if claimed is None else accepted + seconds(claimed),
        closed_at=accepted + seconds(closed),
    )
    Task.objects.filter(pk=attempt.task_id, finished_at__isnull=False).update(
        created_at=accepted, finished_at=accepted + seconds(closed)
    )


def droplets(since: datetime = START, until: datetime = START + HOUR) -> Any:
    return next(line for line in summary(since, until) if line.backend == "droplets")


# Percentiles ----------------------------------------------------------------------------------


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


# Tasks ----------------------------------------------------------------------------------------

database = pytest.mark.django_db


@database
def test_it_counts_each_verdict_and_measures_each_time() -> None:
    ended(Category.PASSED, claimed=5, closed=65)
    ended(Category.FAILED, claimed=15, closed=115)
    ended(Category.CANCELLED, claimed=None, closed=3)

    line = droplets()

    assert (line.tasks, line.passed, line.failed, line.errored, line.cancelled) == (3, 1, 1, 0, 1)
    assert (line.queue_wait.n, line.queue_wait.p50, line.queue_wait.p95) == (2, 5.0, 15.0)
    assert (line.run.n, line.run.p50, line.run.p95) == (2, 60.0, 100.0)
    assert (line.total.n, line.total.p50, line.total.p95) == (3, 65.0, 115.0)


@database
def test_a_task_that_was_tried_again_counts_once_for_its_last_attempt() -> None:
    first = ended(Category.AGENT_LOST, claimed=5, closed=100)
    second = first.task.assignments.get(number=2)
    second.place(str(new_id()))
    second.claim("boot")
    second.close(Category.PASSED)
    set_times(second, START + seconds(100), 2, 42)
    Task.objects.update(created_at=START, finished_at=START + seconds(142))

    line = droplets()

    assert (line.tasks, line.passed, line.retried) == (1, 1, 1)
    assert line.queue_wait.p50 == 2.0
    assert line.run.p50 == 40.0
    assert line.total.p50 == 142.0


@database
def test_what_goes_on_or_ended_at_another_time_does_not_count() -> None:
    make_assignment(make_suite_run())
    again = ended(Category.AGENT_LOST)
    assert again.task.assignments.filter(closed_at=None).exists()
    ended(accepted=START - HOUR, closed=3599)
    ended(accepted=START, closed=3600)

    assert droplets().tasks == 0
    assert droplets(START - HOUR, START + 2 * HOUR).tasks == 2


@database
def test_a_moment_belongs_to_one_of_two_adjoining_times() -> None:
    ended(accepted=START, closed=3600)
    middle = START + HOUR
    assert droplets(START, middle).tasks + droplets(middle, middle + HOUR).tasks == 1


@database
def test_each_backend_has_a_line_of_its_own_configured_or_not(settings: Any) -> None:
    settings.BACKENDS = {"kubernetes": "dispatch.fake.ENTRY"}
    ended(backend="droplets")
    lines = {line.backend: line for line in summary(START, START + HOUR)}
    assert list(lines) == ["kubernetes", "droplets"]
    assert (lines["droplets"].tasks, lines["kubernetes"].tasks) == (1, 0)
    assert lines["kubernetes"].cost is None


# Cost -----------------------------------------------------------------------------------------


def life(*, begins: float = 0, lasts: float | None = None, **facts: Any) -> DropletLife:
    created_at = START + seconds(begins)
    return DropletLife(
        worker_id=new_id(),
        name="droplet",
        size="s-4vcpu-8gb",
        created_at=created_at,
        destroyed_at=None if lasts is None else created_at + seconds(lasts),
        **{"hourly_price": PRICE, **facts},
    )


@pytest.mark.parametrize(
    ("lasts", "cost"),
    [
        (7200, PRICE * 2),
        (5, Decimal("0.01")),
        (60, Decimal("0.01")),
        (504, PRICE * 504 / 3600),
        (505, PRICE * 505 / 3600),
        (None, PRICE * 3),
    ],
)
def test_a_life_costs_its_seconds_but_at_least_a_minute_and_a_cent(
    lasts: float | None, cost: Decimal
) -> None:
    assert bill(life(lasts=lasts), START + 3 * HOUR) == max(cost, Decimal("0.01"))


def test_a_dear_droplet_costs_at_least_a_minute() -> None:
    dear = life(lasts=5, hourly_price=Decimal(6))
    assert bill(dear, START + HOUR) == Decimal("0.1")


@database
def test_idle_droplets_cost_too_and_the_tasks_share_the_bill() -> None:
    DropletLife.objects.bulk_create([life(lasts=3600), life(lasts=1800), life(lasts=1800)])
    for _ in range(4):
        ended()

    line = droplets()

    assert line.cost is not None and (line.cost.lives, line.cost.total) == (3, PRICE * 2)
    assert line.cost_per_task == PRICE / 2


@database
def test_a_time_pays_for_its_part_of_a_life_only() -> None:
    DropletLife.objects.bulk_create([life(begins=-1800, lasts=3600), life(begins=2700)])
    found = droplet_cost(START, START + HOUR)
    assert (found.lives, found.total) == (2, PRICE * 45 / 60)


@database
def test_the_costs_of_adjoining_times_add_up_to_the_bill() -> None:
    lives = [life(begins=begins, lasts=lasts) for begins, lasts in ((3, 4), (1795, 9), (50, 6000))]
    DropletLife.objects.bulk_create(lives)
    parts = [droplet_cost(START + n * HOUR / 2, START + (n + 1) * HOUR / 2) for n in range(4)]
    whole = droplet_cost(START, START + 2 * HOUR)
    assert sum(part.total for part in parts) == whole.total
    assert whole.total == Decimal("0.02") + PRICE * 6000 / 3600


@database
def test_droplets_that_never_came_or_live_at_another_time_cost_nothing() -> None:
    unborn = life()
    unborn.created_at = None
    DropletLife.objects.bulk_create([unborn, life(begins=3600), life(begins=-100, lasts=90)])
    assert droplet_cost(START, START + HOUR).lives == 0


@database
def test_without_every_price_there_is_no_cost_per_task() -> None:
    DropletLife.objects.bulk_create([life(lasts=3600), life(lasts=60, hourly_price=None)])
    ended()
    line = droplets()
    assert (line.cost.unpriced, line.cost.total) == (1, PRICE)
    assert line.cost_per_task is None


@database
@pytest.mark.parametrize("tasks", [0, 1])
def test_without_a_bill_or_a_task_there_is_no_cost_per_task(tasks: int) -> None:
    for _ in range(tasks):
        ended()
    assert droplets().cost_per_task is None


# Two ways to the same figures -----------------------------------------------------------------

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="asks PostgreSQL")


@database
@on_postgresql
def test_the_database_measures_as_we_do() -> None:
    for number in range(40):
        claimed = None if number % 7 == 0 else number % 13
        ended(claimed=claimed, closed=20 + number * number % 101)
    attempts = comparison.final_attempts("droplets", START, START + HOUR)
    here, there = comparison._measured_here(attempts), comparison._measured_there(attempts)
    assert here == there
    assert here["total"].n == 40 and here["run"].n == 34


@database
@on_postgresql
def test_the_database_sums_up_as_we_do() -> None:
    lives = [life(begins=n * 137 - 900, lasts=n * n * 3.7 or None) for n in range(30)]
    DropletLife.objects.bulk_create([*lives, life(hourly_price=None)])
    rows = DropletLife.objects.all()
    for moment in (START, START + HOUR / 3, START + HOUR):
        here, there = bills._sum_up_here(rows, moment), bills._sum_up_there(rows, moment)
        assert there == pytest.approx(here, abs=Decimal("1e-12"))
