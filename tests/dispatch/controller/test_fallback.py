"""Falling back: what has waited too long for a backend that is away goes to the other one, once,
within the budget; whatever has nowhere to go keeps its place in the queue."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from dispatch import backends
from dispatch.backends import NoCapacity, Unavailable
from dispatch.controller import health
from dispatch.controller.fallback import FallingBack
from dispatch.controller.placing import Placing
from dispatch.fake import FakeBackend
from dispatch.models import Assignment, BackendStatus, Task, TaskEvent
from dispatch.models.assignment import Purpose
from dispatch.outcomes import Category, failed_by_infrastructure
from tests.dispatch.controller.conftest import Pair, both_running, queued
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def waiting(seconds: float = 130, priority: int = 0) -> Assignment:
    assignment = queued(priority, backend="new")
    moment = timezone.now() - timedelta(seconds=seconds)
    Assignment.objects.filter(pk=assignment.pk).update(created_at=moment)
    return Assignment.by_id(assignment.pk)


def away(seconds: float = 130, backend: str = "new", rests: float = 30) -> None:
    now = timezone.now()
    facts = {
        "unavailable_since": now - timedelta(seconds=seconds),
        "retry_at": now + timedelta(seconds=rests),
        "message": "POST /jobs: no answer",
    }
    BackendStatus.objects.update_or_create(name=backend, defaults=facts)


def stays(assignment: Assignment) -> bool:
    """Queued as it was: nothing closed, no attempt used up."""
    rows = Assignment.objects.filter(task_id=assignment.task_id)
    (row,) = rows.filter(closed_at=None)
    task = Task.objects.get(pk=assignment.task_id)
    same = (row.pk, row.backend, row.external_id) == (assignment.pk, assignment.backend, None)
    return same and task.state == "queued" and task.fell_back_at == assignment.task.fell_back_at


def other(assignment: Assignment) -> Assignment:
    return Assignment.objects.get(task_id=assignment.task_id, closed_at=None)


@pytest.mark.usefixtures("pair")
def test_what_waited_too_long_for_a_backend_that_is_away_goes_to_the_other_one() -> None:
    assignment = waiting()
    away()
    FallingBack().step()
    first, second = Assignment.by_id(assignment.pk), other(assignment)
    assert (first.backend, first.category) == ("new", Category.API_UNAVAILABLE)
    assert failed_by_infrastructure(first.category), "it counts against its own backend"
    assert first.sentence == "new has been unavailable for 130 s: POST /jobs: no answer"
    assert (second.backend, second.number, second.external_id) == ("old", 2, None)
    assert Task.objects.get(pk=assignment.task_id).fell_back_at is not None


@pytest.mark.usefixtures("pair")
def test_the_task_s_story_tells_from_where_to_where_and_why() -> None:
    assignment = waiting()
    away()
    FallingBack().step()
    event = TaskEvent.objects.get(task=assignment.task_id, kind="task.fell_back")
    assert event.assignment_id == assignment.pk
    assert event.detail == {
        "from": "new",
        "to": "old",
        "category": "api_unavailable",
        "because": "new has been unavailable for 130 s: POST /jobs: no answer",
    }


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize(("waited", "unavailable"), [(100, 3600), (3600, 100)])
def test_neither_the_task_s_nor_the_backend_s_time_alone_is_enough(
    waited: float, unavailable: float
) -> None:
    assignment = waiting(waited)
    away(unavailable)
    FallingBack().step()
    assert stays(assignment)


@pytest.mark.usefixtures("pair")
def test_a_failure_after_which_nothing_was_tried_tells_nothing() -> None:
    assignment = waiting()
    away(rests=-1)
    FallingBack().step()
    assert stays(assignment)


def test_a_backend_that_is_full_is_not_away(pair: Pair) -> None:
    assignment = waiting(seconds=3600)
    pair.new.limit = 0
    Placing("new").step()
    FallingBack().step()
    assert stays(assignment)


def test_no_capacity_after_a_failure_long_ago_uses_up_no_time(pair: Pair) -> None:
    """One call failed; since then the backend answers that it has no room."""
    assignment = waiting(seconds=3600)
    health.of("new").failed(Unavailable("a hiccup"))
    BackendStatus.objects.update(unavailable_since=timezone.now() - timedelta(hours=1))
    wait_until(lambda: not health.of("new").resting)
    pair.new.error = NoCapacity("the quota is used up")
    Placing("new")._run([assignment])
    assert BackendStatus.objects.get(name="new").unavailable_since is None
    FallingBack().step()
    assert stays(assignment)


@pytest.mark.usefixtures("pair")
def test_the_first_in_the_queue_goes_first_where_the_budget_is_small(settings: Settings) -> None:
    settings.FALLBACKS_PER_HOUR = 2
    young, minor, urgent = waiting(), waiting(priority=-1), waiting(priority=9)
    away()
    FallingBack().step()
    assert (other(urgent).backend, other(young).backend) == ("old", "old")
    assert stays(minor)


@pytest.mark.usefixtures("pair")
def test_without_budget_it_waits_and_goes_when_there_is_some_again(settings: Settings) -> None:
    settings.FALLBACKS_PER_HOUR = 1
    falling, first, second = FallingBack(), waiting(), waiting()
    away()
    for _ in range(3):
        falling.step()
    assert other(first).backend == "old" and stays(second)
    an_hour_ago = timezone.now() - timedelta(minutes=61)
    Task.objects.filter(pk=first.task_id).update(fell_back_at=an_hour_ago)
    falling.step()
    assert other(second).backend == "old"


def test_one_that_the_other_backend_cannot_run_waits_and_keeps_nobody_back(pair: Pair) -> None:
    pair.old.refusals = ("command: leave it out",)
    falling, unable = FallingBack(), waiting(priority=5)
    away()
    for _ in range(3):
        falling.step()
    assert stays(unable)
    pair.old.refusals = ()
    able = waiting()
    falling.step()
    assert other(able).backend == "old"


@pytest.mark.usefixtures("pair")
def test_one_that_fell_back_before_waits() -> None:
    assignment = waiting()
    away()
    FallingBack().step()
    second = other(assignment)
    long_ago = timezone.now() - timedelta(hours=2)
    Assignment.objects.filter(pk=second.pk).update(created_at=long_ago)
    away(backend="old")
    FallingBack().step()
    assert stays(Assignment.by_id(second.pk))


@pytest.mark.usefixtures("pair")
def test_a_third_attempt_waits_and_is_not_the_task_s_end() -> None:
    assignment = waiting()
    for category in (Category.NODE_LOST, Category.EVICTED):
        Assignment.by_id(other(assignment).pk).close(category)
    long_ago = timezone.now() - timedelta(hours=2)
    Assignment.objects.filter(number=3).update(created_at=long_ago)
    away()
    FallingBack().step()
    assert stays(other(assignment)) and other(assignment).number == 3


@pytest.mark.usefixtures("pair")
def test_without_another_backend_it_waits(settings: Settings) -> None:
    settings.BACKENDS = {"new": "tests.dispatch.stuck_backend.ENTRY"}
    backends.forget()
    assignment = waiting()
    away()
    FallingBack().step()
    assert stays(assignment)


@pytest.mark.usefixtures("pair")
def test_one_that_is_placed_or_that_an_agent_has_claimed_stays() -> None:
    """A start may have worked without an answer: the agent then claims what is not placed."""
    placed, claimed = waiting(), waiting()
    placed.place("there")
    claimed.claim("pod-1")
    away()
    FallingBack().step()
    for assignment in (placed, claimed):
        assert Assignment.by_id(assignment.pk).live
        assert Assignment.objects.filter(task=assignment.task_id).count() == 1
    assert Task.objects.get(pk=claimed.task_id).state == "running"


@pytest.mark.usefixtures("pair")
def test_only_a_primary_one_falls_back() -> None:
    shadow = waiting()
    Assignment.objects.filter(pk=shadow.pk).update(purpose=Purpose.SHADOW)
    away()
    FallingBack().step()
    assert Assignment.by_id(shadow.pk).live


def test_the_queue_of_a_dead_backend_is_placed_on_the_other_one(
    pair: Pair, settings: Settings
) -> None:
    """With the real loops: the backend is resting nearly all of the time."""
    settings.FALLBACK_AFTER_SECONDS = 1.0
    settings.SWEEP_SECONDS = 0.05
    pair.new.error = Unavailable("connection refused")
    rows = [queued(backend="new") for _ in range(5)]
    with both_running(pair):
        wait_until(lambda: len(pair.old.held) == 5)
    for row in rows:
        assert Assignment.by_id(row.pk).category == Category.API_UNAVAILABLE
    assert set(Task.objects.values_list("state", flat=True)) == {"assigned"}


def test_a_backend_that_comes_back_gets_its_queue_without_help(
    pair: Pair, settings: Settings
) -> None:
    settings.SWEEP_SECONDS = 0.05
    pair.new.error = Unavailable("connection refused")
    rows = [queued(backend="new") for _ in range(5)]
    with both_running(pair):
        wait_until(lambda: BackendStatus.objects.filter(name="new", failures__gte=2).exists())
        assert not pair.new.held
        pair.new.error = None
        wait_until(lambda: len(pair.new.held) == 5)
        fine = BackendStatus.objects.filter(name="new", unavailable_since=None)
        wait_until(fine.exists)
    assert all(Assignment.by_id(row.pk).live for row in rows)
    assert not pair.old.held


def test_a_dead_backend_without_refuge_costs_no_attempt(
    fake: FakeBackend, settings: Settings
) -> None:
    settings.FALLBACK_AFTER_SECONDS = 0.0
    assignment = queued()
    fake.error = Unavailable("connection refused")
    placing, falling = Placing("fake"), FallingBack()
    for _ in range(3):
        wait_until(lambda: not health.of("fake").resting)
        placing.start(assignment)
        falling.step()
    assert BackendStatus.objects.get(name="fake").failures == 3
    assert stays(assignment)
