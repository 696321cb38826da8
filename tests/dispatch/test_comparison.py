from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from dispatch import bills
from dispatch.bills import bill, droplet_cost
from dispatch.comparison import PHASES, summary
from dispatch.ids import new_id
from dispatch.models import Assignment, DropletLife, Task
from dispatch.models.assignment import PHASES as REPORTED
from dispatch.outcomes import Category
from tests.dispatch.ends import HOUR, START, ended, seconds, set_times
from tests.factories import make_assignment, make_suite_run

PRICE = Decimal("0.07143")


def droplets(since: datetime = START, until: datetime = START + HOUR) -> Any:
    return next(line for line in summary(since, until) if line.backend == "droplets")


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


# Phases ---------------------------------------------------------------------------------------


@database
def test_each_phase_is_measured_from_one_report_to_the_next() -> None:
    attempt = ended(closed=65)
    names = ("placed_at", *(f"{name}_at" for name in REPORTED), "closed_at", "released_at")
    moments = [1, 3, 6, 10, 15, 21, 28, 36, 45]
    Assignment.objects.filter(pk=attempt.pk).update(
        **{name: START + seconds(moment) for name, moment in zip(names, moments, strict=True)}
    )
    phases = droplets().phases
    assert list(phases) == list(PHASES)
    assert [phases[name].p50 for name in PHASES] == [1, 2, 3, 4, 5, 6, 7, 8, 9]


@database
def test_a_phase_counts_where_both_of_its_ends_were_reported() -> None:
    attempt = ended(claimed=5, closed=65)
    Assignment.objects.filter(pk=attempt.pk).update(built_at=START + seconds(40))
    phases = droplets().phases
    assert (phases["cloning"].n, phases["building"].n, phases["services"].n) == (0, 0, 0)
    assert (phases["queued"].n, phases["starting"].n) == (1, 1)


@database
def test_the_wait_for_an_image_is_part_of_the_build_and_not_of_the_queue() -> None:
    attempt = ended(claimed=25, closed=65)
    Assignment.objects.filter(pk=attempt.pk).update(
        placed_at=START + seconds(22),
        cloned_at=START + seconds(27),
        built_at=START + seconds(27),
        image_wait=seconds(20),
    )
    line = droplets()
    assert (line.queue_wait.p50, line.run.p50, line.total.p50) == (5.0, 60.0, 65.0)
    assert (line.phases["queued"].p50, line.phases["building"].p50) == (2.0, 20.0)


# Infrastructure failures ----------------------------------------------------------------------


@database
def test_attempts_without_a_verdict_are_counted_by_category_first_ones_apart() -> None:
    ended(Category.PASSED)
    ended(Category.FAILED)
    ended(Category.CANCELLED)
    ended(Category.BUILD_FAILED)
    first = ended(Category.AGENT_LOST)
    second = first.task.assignments.get(number=2)
    second.close(Category.AGENT_LOST)
    set_times(second, START + seconds(70), None, 20)

    line = droplets()

    assert line.attempts == 6
    assert line.failures == {"agent_lost": 2, "build_failed": 1}
    assert list(line.failures) == ["agent_lost", "build_failed"]
    assert (line.firsts, line.firsts_failed) == (4, 2)


@database
def test_an_end_counts_for_the_backend_and_the_time_where_it_was() -> None:
    ended(Category.AGENT_LOST, accepted=START - HOUR, closed=3599)
    ended(Category.EVICTED, backend="kubernetes")
    lines = {line.backend: line for line in summary(START, START + HOUR)}
    assert lines["droplets"].failures == {}
    assert lines["kubernetes"].failures == {"evicted": 1}


@database
def test_a_fallback_counts_once_for_the_backend_that_was_left() -> None:
    fallen = ended(Category.UNSCHEDULABLE, backend="kubernetes", claimed=None)
    following = Assignment.objects.filter(task=fallen.task, number=2)
    following.update(backend="droplets")
    Task.objects.filter(pk=fallen.task_id).update(fell_back_at=START + seconds(65))
    ended(Category.EVICTED, backend="kubernetes")

    lines = {line.backend: line for line in summary(START, START + HOUR)}
    assert (lines["kubernetes"].fell_back, lines["droplets"].fell_back) == (1, 0)
    later = {line.backend: line for line in summary(START + HOUR, START + 2 * HOUR)}
    assert later["kubernetes"].fell_back == 0


# Two ways to the same figures -----------------------------------------------------------------

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="asks PostgreSQL")


@database
@on_postgresql
def test_the_database_sums_up_as_we_do() -> None:
    lives = [life(begins=n * 137 - 900, lasts=n * n * 3.7 or None) for n in range(30)]
    DropletLife.objects.bulk_create([*lives, life(hourly_price=None)])
    rows = DropletLife.objects.all()
    for moment in (START, START + HOUR / 3, START + HOUR):
        here, there = bills._sum_up_here(rows, moment), bills._sum_up_there(rows, moment)
        assert there == pytest.approx(here, abs=Decimal("1e-12"))
