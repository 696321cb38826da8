"""The runner: one leader, wakes at once, a failing loop harms nobody, the lease passes on."""

import dataclasses
import time

import pytest
from pytest_django import Settings

from dispatch import wake
from dispatch.backends import Loop, Unavailable
from dispatch.controller import runner
from dispatch.models import Lease, LoopBeat
from tests.dispatch.controller.conftest import controller
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


class Counting:
    """A loop that counts its steps, and fails on demand."""

    def __init__(self, every: float = 3600.0, wakes: tuple[str, ...] = ()) -> None:
        self.steps = 0
        self.error: Exception | None = None
        self.loop = Loop(name="counting", step=self.step, every=every, wakes=frozenset(wakes))

    def step(self) -> None:
        self.steps += 1
        if self.error:
            raise self.error


def woken_by(topic: str, counting: Counting) -> bool:
    before = counting.steps
    wake.send(topic)
    with_patience = time.monotonic() + 1
    while counting.steps == before and time.monotonic() < with_patience:
        time.sleep(0.005)
    return counting.steps > before


def test_a_topic_wakes_its_loop_long_before_its_time() -> None:
    counting = Counting(wakes=("queue",))
    with controller(counting.loop):
        wait_until(lambda: counting.steps)
        wait_until(lambda: woken_by("queue", counting))


def test_a_failing_step_is_shown_and_the_loop_goes_on() -> None:
    counting = Counting(every=0.05)
    counting.error = RuntimeError("the cable fell out")
    with controller(counting.loop):
        wait_until(lambda: LoopBeat.objects.filter(error__contains="the cable fell out").exists())
        counting.error = None
        wait_until(lambda: LoopBeat.objects.filter(name="counting", error="").exists())


@pytest.mark.parametrize(
    ("error", "level"), [(Unavailable("no answer"), "WARNING"), (RuntimeError("a bug"), "ERROR")]
)
def test_only_a_bug_is_logged_with_the_story_of_our_code(
    caplog: pytest.LogCaptureFixture, error: Exception, level: str
) -> None:
    counting = Counting()
    counting.error = error
    with controller(counting.loop):
        wait_until(lambda: LoopBeat.objects.filter(error__contains=str(error)).exists())
    records = [one for one in caplog.records if "Loop counting" in one.message]
    told = {(record.levelname, bool(record.exc_info)) for record in records}
    assert told == {(level, level == "ERROR")}


def test_only_the_leader_runs_and_the_other_takes_over(settings: Settings) -> None:
    settings.LEASE_SECONDS = 1.0
    first, second = Counting(every=0.05), Counting(every=0.05)
    with controller(second.loop, holder="two"):
        wait_until(lambda: second.steps)
    assert not Lease.objects.exists(), "a controller that stops gives the lease up"
    steps = second.steps
    with controller(first.loop, holder="one"):
        wait_until(lambda: first.steps)
        with controller(second.loop, holder="two"):
            wait_until(lambda: first.steps > 10)
            assert second.steps == steps
            Lease.objects.update(holder="one", expires_at="2020-01-01T00:00:00Z")
            Lease.objects.filter(holder="one").update(holder="gone")
            wait_until(lambda: Lease.objects.exclude(holder="gone").exists())


def test_a_lapsed_lease_is_taken_and_a_held_one_is_not() -> None:
    assert Lease.take("controller", "one", 60)
    assert not Lease.take("controller", "two", 60)
    assert Lease.take("controller", "one", 60)
    Lease.objects.update(expires_at="2020-01-01T00:00:00Z")
    assert Lease.take("controller", "two", 60)
    assert not Lease.take("controller", "one", 60)


def test_a_leader_that_cannot_renew_stops_leading_in_time(settings: Settings) -> None:
    settings.LEASE_SECONDS = 0.2
    leadership = runner.Leadership("one")
    leadership.renew()
    assert leadership
    wait_until(lambda: not leadership)


def test_what_comes_in_crowds_is_dealt_with_together() -> None:
    counting = Counting(wakes=("queue",))
    patient = dataclasses.replace(counting.loop, rest=0.5)
    with controller(patient):
        wait_until(lambda: counting.steps)
        started, before = time.monotonic(), counting.steps
        while time.monotonic() - started < 1.2:
            wake.send("queue")
            time.sleep(0.01)
        wait_until(lambda: counting.steps > before)
    took = time.monotonic() - started
    assert counting.steps - before <= took / 0.5 + 1
