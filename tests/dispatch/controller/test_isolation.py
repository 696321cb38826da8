"""A backend that hangs or fails costs the other one nothing, and stays within its bounds."""

import threading
from collections.abc import Sequence
from functools import partial
from threading import Barrier

import pytest
from django.conf import settings as configured
from pytest_django import Settings

from dispatch.backends import BackendEntry, Placement, Unavailable
from dispatch.controller import health
from dispatch.controller.health import LOOKING
from dispatch.controller.placing import Placing
from dispatch.fake import FakeBackend
from dispatch.models import Assignment, BackendStatus
from dispatch.outcomes import Category
from tests.dispatch.controller.conftest import Pair, both_running, finish, queued
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 20
EVERYTHING = ("capacity", "start", "observe", "stop")


@pytest.fixture(autouse=True)
def often(settings: Settings) -> None:
    settings.SWEEP_SECONDS = settings.RECONCILE_SECONDS = 0.05


def threads_of(*prefixes: str) -> int:
    return sum(thread.name.startswith(prefixes) for thread in threading.enumerate())


def placed(rows: Sequence[Assignment]) -> bool:
    found = Assignment.objects.filter(pk__in=[row.pk for row in rows], external_id__isnull=False)
    return found.count() == len(rows)


def released(rows: Sequence[Assignment]) -> bool:
    found = Assignment.objects.filter(pk__in=[row.pk for row in rows], released_at__isnull=False)
    return found.count() == len(rows)


def closed(backend: FakeBackend, name: str) -> Assignment:
    """One that its backend holds and is to stop."""
    assignment = queued(backend=name)
    assignment.place(backend.start(assignment).external_id)
    assignment.close(Category.CANCELLED)
    return assignment


@pytest.mark.parametrize(
    "stuck",
    [("capacity",), ("start",), ("observe",), ("stop",), ("start", "stop"), EVERYTHING],
    ids="+".join,
)
def test_the_other_backend_goes_on_while_one_hangs(pair: Pair, stuck: tuple[str, ...]) -> None:
    to_stop = [closed(pair.new, "new") for _ in range(6)]
    pair.new.stuck = set(stuck)
    there = [queued(backend="new") for _ in range(MANY)]
    # Whoever cannot ask for the capacity starts nothing, and who sees nothing stops nothing.
    reached = {"capacity", "observe"} if stuck == EVERYTHING else set(stuck)
    with both_running(pair):
        wait_until(lambda: reached <= set(pair.new.hanging))
        for _ in range(2):
            here = [queued(backend="old") for _ in range(MANY)]
            ended = [closed(pair.old, "old") for _ in range(2)]
            wait_until(partial(placed, here))
            wait_until(partial(released, ended))
        assert reached <= set(pair.new.hanging), "all that time the new one was stuck"
        if reached & {"capacity", "start"}:
            assert not placed(there[:1])
        if reached & {"observe", "stop"}:
            assert not released(to_stop[:1])
        pair.new.free.set()
        wait_until(lambda: placed(there) and released(to_stop))


class Meeting(FakeBackend):
    """A start only works while as many are under way as there are threads for it."""

    def __init__(self) -> None:
        super().__init__(limit=100)
        self.barrier = Barrier(configured.BACKEND_THREADS)

    def start(self, assignment: Assignment) -> Placement:
        self.barrier.wait(20)
        return super().start(assignment)


MEETING = BackendEntry(title="Meeting", backend=Meeting)


def test_the_other_backend_keeps_all_of_its_threads_while_one_hangs(
    pair: Pair, settings: Settings
) -> None:
    settings.BACKENDS = settings.BACKENDS | {"meeting": f"{__name__}.MEETING"}
    pair.new.stuck = {"start", "observe"}
    for _ in range(MANY):
        queued(backend="new")
    with both_running(pair, "new", "meeting"):
        wait_until(lambda: pair.new.hanging.count("start") == settings.BACKEND_THREADS)
        rows = [queued(backend="meeting") for _ in range(5 * settings.BACKEND_THREADS)]
        wait_until(partial(placed, rows))
        assert pair.new.hanging.count("start") == settings.BACKEND_THREADS


def test_the_other_backend_goes_on_while_every_call_of_one_fails(pair: Pair) -> None:
    pair.new.error = Unavailable("connection refused", retry_after=60)
    there = [queued(backend="new") for _ in range(MANY)]
    with both_running(pair):
        wait_until(lambda: health.of("new").resting)
        rows = [queued(backend="old") for _ in range(MANY)]
        wait_until(lambda: placed(rows))
        assert not placed(there[:1])
        assert not health.of("old").resting and not health.of("old", LOOKING).resting


def test_what_is_known_of_health_is_written_while_a_backend_hangs(pair: Pair) -> None:
    """By calls of the other one, and of the stuck one itself."""
    pair.new.stuck = {"start", "observe"}
    queued(backend="new")
    with both_running(pair):
        wait_until(lambda: "start" in pair.new.hanging)
        pair.old.error = Unavailable("503")
        queued(backend="old")
        wait_until(BackendStatus.objects.filter(name="old", message="503").exists)
        health.of("new").failed(Unavailable("429"))
        assert BackendStatus.objects.get(name="new").message == "429"
        pair.old.error = None
        wait_until(BackendStatus.objects.filter(name="old", unavailable_since=None).exists)
        assert "start" in pair.new.hanging


def test_what_a_stuck_backend_binds_is_bounded(pair: Pair, settings: Settings) -> None:
    """However often it is looked at: its threads, its calls, and what waits for a thread."""
    ended = [closed(pair.new, "new") for _ in range(10)]
    pair.new.stuck = {"start", "stop"}
    pair.new.limit = 40
    for _ in range(60):
        queued(backend="new")
    with both_running(pair):
        wait_until(lambda: len(pair.new.hanging) == 2 * settings.BACKEND_THREADS)
        before = threading.active_count()
        for _ in range(MANY):
            wait_until(partial(placed, [queued(backend="old")]))
        assert len(pair.new.hanging) == 2 * settings.BACKEND_THREADS
        assert threads_of("start new_", "stop new_") == 2 * settings.BACKEND_THREADS
        # The other backend's own pools may have filled up meanwhile.
        assert threading.active_count() <= before + 2 * settings.BACKEND_THREADS
        assert not released(ended[:1])


def test_no_more_starts_wait_for_a_thread_than_the_backend_has_room_for(pair: Pair) -> None:
    pair.new.stuck = {"start"}
    pair.new.limit = 7
    for _ in range(30):
        queued(backend="new")
    placing = Placing("new")
    for _ in range(5):
        placing.step()
    assert len(placing._under_way) == 7
    pair.new.free.set()
    finish(placing)


def test_those_behind_a_call_that_failed_are_not_tried_while_the_backend_rests(
    pair: Pair, settings: Settings
) -> None:
    pair.new.stuck = {"start"}
    for _ in range(30):
        queued(backend="new")
    placing = Placing("new")
    placing.step()
    wait_until(lambda: len(pair.new.hanging) == settings.BACKEND_THREADS)
    pair.new.error = Unavailable("timeout", retry_after=60)
    pair.new.free.set()
    finish(placing)
    assert len(pair.new.tried) == settings.BACKEND_THREADS
    assert Assignment.queued("new").count() == 30
