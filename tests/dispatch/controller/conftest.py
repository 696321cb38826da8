import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.db import connection
from pytest_django import Settings

from dispatch import backends
from dispatch.backends import Loop
from dispatch.controller import fallback, health, placing, reconciling, runner
from dispatch.controller.placing import Placing
from dispatch.controller.reconciling import Reconciling
from dispatch.fake import FakeBackend
from dispatch.models import Assignment
from tests.dispatch.stuck_backend import StuckBackend
from tests.factories import make_assignment, make_suite_run
from tests.waiting import wait_until


@pytest.fixture
def fake(settings: Settings) -> Iterator[FakeBackend]:
    """The only configured backend, in memory; whatever is known of its health is forgotten."""
    settings.BACKENDS = {"fake": "dispatch.fake.ENTRY"}
    backends.forget()
    health._all.clear()
    backend = backends.get("fake")
    assert isinstance(backend, FakeBackend)
    yield backend
    _let_go()


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The two backends of a Rollout, in memory; the calls of the new one can hang."""

    old: FakeBackend
    new: StuckBackend


@pytest.fixture
def pair(settings: Settings) -> Iterator[Pair]:
    settings.BACKENDS = {
        "old": "tests.dispatch.other_backend.ENTRY",
        "new": "tests.dispatch.stuck_backend.ENTRY",
    }
    settings.ROLLOUT = {"old": "old", "new": "new"}
    backends.forget()
    health._all.clear()
    old, new = backends.get("old"), backends.get("new")
    assert isinstance(old, FakeBackend) and isinstance(new, StuckBackend)
    old.limit = 100
    yield Pair(old=old, new=new)
    new.free.set()
    _let_go()


def _let_go() -> None:
    """Forget the backends, and the connections of threads that have ended: a database that
    somebody is connected to cannot be dropped."""
    backends.forget()
    health._all.clear()
    gc.collect()


def finish(one: Placing | Reconciling) -> None:
    """Wait for the calls under way, and let their threads end."""
    if isinstance(one, Placing):
        wait_until(lambda: not one._under_way)
    if one._pool:
        one._pool.shutdown()


def place(backend: str = "fake") -> Placing:
    """One step, and the calls that it set off."""
    placing = Placing(backend)
    placing.step()
    finish(placing)
    return placing


def reconcile(backend: str = "fake") -> None:
    reconciling = Reconciling(backend)
    reconciling.step()
    finish(reconciling)


def queued(priority: int = 0, backend: str = "fake") -> Assignment:
    assignment = make_assignment(make_suite_run(backend=backend), priority=priority)
    return assignment


@contextmanager
def controller(*loops: Loop, holder: str = "one") -> Iterator[threading.Event]:
    stop = threading.Event()

    def run() -> None:
        runner.run(loops, holder=holder, stop=stop)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def both_running(pair: Pair, *names: str) -> Iterator[None]:
    """The loops that place, reconcile and fall back; in the end whatever hangs is set free."""
    loops = [fallback.loop()]
    for name in names or ("new", "old"):
        loops += [placing.loop(name), reconciling.loop(name)]
    with controller(*loops):
        try:
            yield
        finally:
            pair.new.free.set()
    for loop in loops:
        owner = getattr(loop.step, "__self__", None)
        if isinstance(owner, Placing | Reconciling):
            finish(owner)
