"""Falling back against a start under way: never alive on both backends, whoever comes first."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from dispatch.controller.fallback import FallingBack
from dispatch.controller.placing import Placing
from dispatch.models import Assignment, BackendStatus, Task
from dispatch.outcomes import Category
from tests.dispatch.controller.conftest import Pair, finish, place, queued, reconcile
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def together(*calls: Callable[[], object]) -> list[object]:
    """Each in a thread of its own, all begun at the same moment; their answers in order."""
    barrier = Barrier(len(calls))
    answers: list[object] = [None] * len(calls)

    def run(number: int) -> None:
        try:
            barrier.wait(20)
            answers[number] = calls[number]()
        finally:
            connection.close()

    threads = [Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return answers


def fall_back_all() -> None:
    """As after a long time of waiting for a backend that is away."""
    now = timezone.now()
    Assignment.objects.filter(backend="new").update(created_at=now - timedelta(hours=1))
    BackendStatus.objects.update_or_create(
        name="new",
        defaults={
            "unavailable_since": now - timedelta(hours=1),
            "retry_at": now + timedelta(minutes=1),
        },
    )
    FallingBack().step()


def second_of(assignment: Assignment) -> Assignment:
    return Assignment.objects.get(task=assignment.task_id, number=2)


def released(assignment: Assignment) -> bool:
    return Assignment.by_id(assignment.pk).released_at is not None


@pytest.mark.parametrize("paused", ["start", "answer"])
def test_a_start_under_way_cannot_bring_it_to_life_on_both_backends(
    pair: Pair, paused: str
) -> None:
    """The start hangs before it looks at the Assignment, or after it has made everything."""
    pair.new.stuck = {paused}
    assignment = queued(backend="new")
    placing = Placing("new")
    placing.step()
    wait_until(lambda: pair.new.hanging == [paused])

    fall_back_all()
    place("old")
    second = second_of(assignment)
    assert second.external_id == f"fake-{second.pk}"
    assert second.claim("droplet-1")

    pair.new.free.set()
    finish(placing)
    first = Assignment.by_id(assignment.pk)
    assert (first.external_id, first.category) == (None, Category.API_UNAVAILABLE)
    assert (first.pk in pair.new.held) == (paused == "answer")
    assert not first.claim("pod-1"), "what was started there leaves before it does anything"
    assert Task.objects.get(pk=first.task_id).state == "running"
    assert Assignment.objects.filter(task=first.task_id, closed_at=None).count() == 1

    for _ in range(2):
        reconcile("new")
    assert not pair.new.held and released(first)
    assert list(pair.old.held) == [second.pk], "and nothing else is stopped"


def test_one_that_is_being_placed_is_either_placed_or_falls_back(pair: Pair) -> None:
    for _ in range(10):
        assignment = queued(backend="new")
        here, there = Assignment.by_id(assignment.pk), Assignment.by_id(assignment.pk)
        placed, fell = together(
            partial(here.place, f"job-{here.pk}"),
            partial(there.fall_back, Category.API_UNAVAILABLE),
        )
        assert {placed, fell} == {True, False}
        live = Assignment.objects.get(task=assignment.task_id, closed_at=None)
        assert live.backend == ("new" if placed else "old")


def test_one_that_is_being_claimed_is_either_running_or_falls_back(pair: Pair) -> None:
    for _ in range(10):
        assignment = queued(backend="new")
        here, there = Assignment.by_id(assignment.pk), Assignment.by_id(assignment.pk)
        claimed, fell = together(
            partial(here.claim, "pod-1"),
            partial(there.fall_back, Category.API_UNAVAILABLE),
        )
        assert {claimed, fell} == {True, False}
        state = Task.objects.get(pk=assignment.task_id).state
        assert state == ("running" if claimed else "queued")


def test_one_that_is_being_cancelled_is_cancelled(pair: Pair) -> None:
    for _ in range(10):
        assignment = queued(backend="new")
        row = Assignment.by_id(assignment.pk)
        together(
            partial(assignment.task.cancel, actor="rails"),
            partial(row.fall_back, Category.API_UNAVAILABLE),
        )
        assert Task.objects.get(pk=assignment.task_id).state == "cancelled"
        assert not Assignment.objects.filter(task=assignment.task_id, closed_at=None).exists()


def test_the_budget_is_overspent_by_at_most_one_less_than_there_are_threads(
    pair: Pair, settings: Settings
) -> None:
    settings.FALLBACKS_PER_HOUR = 5
    threads, each = 4, 6
    rows = [[queued(backend="new") for _ in range(each)] for _ in range(threads)]

    def close_all(mine: list[Assignment]) -> None:
        for row in mine:
            Assignment.by_id(row.pk).close(Category.QUOTA)

    together(*(partial(close_all, mine) for mine in rows))
    fallen = Task.objects.exclude(fell_back_at=None).count()
    assert 5 <= fallen <= 5 + threads - 1
    assert Assignment.objects.filter(backend="old", closed_at=None).count() == fallen
