"""Silent Workers are given up; those that may be quiet, and all of them while we were deaf, not."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dispatch.models import Assignment, Task
from dispatch.outcomes import Category
from droplets import config as config_module
from droplets.models import Worker, WorkerState
from droplets.silence import Watch
from sandbox.stack.stack import free_port
from tests.droplets.factories import make_worker
from tests.droplets.protocol.agent import Agent, placed, running
from tests.moments import just_before

pytestmark = pytest.mark.django_db


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def quiet_for(agent: Agent, seconds: float) -> Worker:
    Worker.objects.filter(pk=agent.worker_id).update(last_seen_at=ago(seconds))
    return Worker.objects.get(pk=agent.worker_id)


@pytest.fixture
def watch() -> Watch:
    """One that has heard somebody all the time."""
    make_worker(ready_at=ago(500), last_seen_at=timezone.now())
    watch = Watch()
    watch.step()
    watch._hearing.since = ago(400)
    return watch


def state_of(worker: Worker) -> str:
    return Worker.objects.get(pk=worker.pk).state


@pytest.mark.parametrize("seconds,state", [(58, "idle"), (61, "lost")])
def test_an_idle_worker_that_does_not_poll_is_lost(
    watch: Watch, seconds: float, state: str
) -> None:
    worker = make_worker(ready_at=ago(300), last_seen_at=ago(seconds))
    watch.step()
    assert state_of(worker) == state


def test_one_that_was_ready_and_never_polled_is_lost(watch: Watch) -> None:
    worker = make_worker(ready_at=ago(61))
    watch.step()
    assert state_of(worker) == WorkerState.LOST


def test_one_that_polls_between_the_look_and_the_end_is_kept(watch: Watch) -> None:
    agent, assignment = placed()
    worker = quiet_for(agent, 61)
    with just_before('UPDATE "droplets_worker" SET "state"', agent.poll):
        watch.step()
    assert state_of(worker) == WorkerState.BUSY
    row = Assignment.by_id(assignment.pk)
    assert row.live and row.delivered_at is not None


@pytest.mark.parametrize("state", ["provisioning", "retired", "lost"])
def test_the_pool_looks_after_all_others(watch: Watch, state: str) -> None:
    worker = make_worker(state, last_seen_at=ago(500))
    watch.step()
    assert (state_of(worker), worker.events.count()) == (state, 0)


def test_what_a_silent_worker_was_not_handed_goes_to_another(watch: Watch) -> None:
    agent, assignment = placed()
    worker = quiet_for(agent, 61)
    watch.step()
    row = Assignment.by_id(assignment.pk)
    assert (state_of(worker), row.live, row.external_id, row.number) == ("lost", True, None, 1)
    assert Task.objects.get(pk=assignment.task_id).state == "queued"


def test_what_was_handed_out_and_never_acknowledged_is_lost_with_its_worker(watch: Watch) -> None:
    agent, assignment = placed()
    agent.poll()
    worker = quiet_for(agent, 61)
    watch.step()
    assert state_of(worker) == WorkerState.LOST
    assert Assignment.by_id(assignment.pk).category == Category.AGENT_LOST


def test_an_agent_that_polls_on_without_acknowledging_is_not_lost(watch: Watch) -> None:
    agent, assignment = placed()
    agent.poll()
    Assignment.objects.filter(pk=assignment.pk).update(delivered_at=ago(500))
    watch.step()
    assert Assignment.by_id(assignment.pk).live


def acknowledged(agent: Agent, assignment: Assignment, seconds: float) -> None:
    at = ago(seconds)
    Assignment.objects.filter(pk=assignment.pk).update(claimed_at=at, heard_at=at)
    quiet_for(agent, seconds)


@pytest.mark.parametrize("seconds,live", [(58, True), (61, False)])
def test_no_call_within_a_minute_of_the_acknowledgement_is_lost(
    watch: Watch, seconds: float, live: bool
) -> None:
    agent, assignment = running()
    acknowledged(agent, assignment, seconds)
    watch.step()
    row = Assignment.by_id(assignment.pk)
    assert (row.live, row.category) == (live, "" if live else Category.AGENT_LOST)


def test_a_busy_agent_that_has_spoken_may_be_quiet(watch: Watch) -> None:
    """The first log comes within a second of the acknowledgement, and perhaps no other call."""
    agent, assignment = running()
    agent.log(assignment.task_id, "system_logs", b"x\n")
    row = Assignment.by_id(assignment.pk)
    assert row.claimed_at is not None and row.heard_at is not None
    by = timedelta(seconds=5000)
    rows = Assignment.objects.filter(pk=assignment.pk)
    rows.update(claimed_at=row.claimed_at - by, heard_at=row.heard_at - by)
    worker = quiet_for(agent, 5000)
    watch.step()
    assert (state_of(worker), Assignment.by_id(assignment.pk).live) == (WorkerState.BUSY, True)


@pytest.fixture
def own_agent(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SWITCHYARD_DROPLET_AGENT", "switchyard")
    config_module.config.cache_clear()
    yield
    config_module.config.cache_clear()


def test_our_own_agent_polls_while_it_works_so_its_silence_counts(
    own_agent: None, watch: Watch
) -> None:
    agent, assignment = running()
    agent.log(assignment.task_id, "system_logs", b"x\n")
    worker = quiet_for(agent, 61)
    watch.step()
    assert state_of(worker) == WorkerState.LOST
    assert Assignment.by_id(assignment.pk).category == Category.AGENT_LOST


def test_while_nobody_at_all_is_heard_nobody_is_lost() -> None:
    workers = [make_worker(ready_at=ago(300), last_seen_at=ago(100)) for _ in range(3)]
    watch = Watch()
    for _ in range(3):
        watch.step()
    assert {state_of(worker) for worker in workers} == {"idle"}


def test_when_somebody_is_heard_again_the_others_get_the_whole_time_to_be_heard() -> None:
    worker = make_worker(ready_at=ago(300), last_seen_at=ago(100))
    watch = Watch()
    watch.step()
    back = make_worker(ready_at=ago(300), last_seen_at=timezone.now())
    watch.step()
    assert state_of(worker) == WorkerState.IDLE
    assert watch._hearing.since is not None
    watch._hearing.since -= timedelta(seconds=61)
    watch.step()
    assert (state_of(worker), state_of(back)) == (WorkerState.LOST, WorkerState.IDLE)


@pytest.mark.parametrize("reachable,state", [(True, "lost"), (False, "idle")])
@pytest.mark.django_db(transaction=True)
def test_when_nobody_is_heard_it_matters_whether_agents_can_reach_us(
    live_server: Any, monkeypatch: pytest.MonkeyPatch, reachable: bool, state: str
) -> None:
    """A web that is away for an hour must not cost a single Task."""
    port = free_port()
    url = live_server.url if reachable else f"http://127.0.0.1:{port}"
    monkeypatch.setenv("SWITCHYARD_AGENT_API_HOST", url)
    config_module.config.cache_clear()
    worker = make_worker(ready_at=ago(5000), last_seen_at=ago(3600))
    watch = Watch()
    watch.step()
    if watch._hearing.since:
        watch._hearing.since -= timedelta(seconds=61)
    watch.step()
    config_module.config.cache_clear()
    assert state_of(worker) == state
