"""WorkerPool: the wanted number of idle Workers, one droplet under each name, drains."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dispatch.models import Assignment, AuditEntry, DropletLife
from droplets import dispatcher, inventory, pool
from droplets.cloud import Cloud
from droplets.config import Config
from droplets.models import PoolRequest, Worker, WorkerState
from sandbox.stack.stack import free_port
from tests.droplets.conftest import SandboxCloud
from tests.droplets.factories import make_worker
from tests.factories import make_assignment
from tests.moments import just_before

pytestmark = pytest.mark.django_db


def states() -> list[str]:
    return sorted(Worker.objects.values_list("state", flat=True))


def busy_worker(*, delivered: bool) -> tuple[Worker, Assignment]:
    worker = make_worker(ready_at=timezone.now())
    assignment = make_assignment()
    assignment.place(str(worker.pk))
    Worker.move(worker.pk, WorkerState.BUSY, changes={"assignment_id": assignment.pk})
    if delivered:
        assignment.deliver()
    worker.refresh_from_db()
    return worker, assignment


def test_missing_workers_are_made_with_a_droplet_each(cloud: Cloud) -> None:
    pool.keep()
    assert states() == ["provisioning", "provisioning"]
    droplets = {one.name: one for one in cloud.droplets()}
    for worker in Worker.objects.all():
        assert worker.provider_id == droplets[worker.name].provider_id
        life = DropletLife.objects.get(worker_id=worker.pk)
        assert life.hourly_price is not None and life.created_at is not None


def test_a_second_step_makes_no_more(cloud: Cloud) -> None:
    pool.keep()
    pool.keep()
    assert len(cloud.droplets()) == 2


def test_busy_workers_are_replaced_up_to_the_limit(cloud: Cloud) -> None:
    for _ in range(4):
        busy_worker(delivered=True)
    pool.keep()
    assert states() == ["busy"] * 4 + ["provisioning"], "the limit is 5"


def test_the_newest_idle_workers_go_when_there_are_too_many(cloud: Cloud) -> None:
    workers = [make_worker(ready_at=timezone.now() + timedelta(seconds=n)) for n in range(4)]
    pool.resize()
    ended = Worker.objects.filter(state=WorkerState.RETIRED)
    assert {worker.pk for worker in ended} == {workers[2].pk, workers[3].pk}


def test_an_answer_that_was_lost_leads_to_one_droplet(cloud: Cloud, sandbox: SandboxCloud) -> None:
    sandbox.faults({"kind": "drop_answer", "method": "POST", "path": "/v2/droplets", "count": 1})
    pool.resize()
    with pytest.raises(pool.Unavailable):
        pool.ask_for_droplets(cloud)
    pool.look_for_lost_answers(cloud)
    pool.ask_for_droplets(cloud)
    names = [one.name for one in cloud.droplets()]
    assert len(names) == len(set(names)) == 2
    assert not Worker.objects.filter(provider_id="").exists()


def test_a_create_that_never_worked_is_not_repeated_under_the_same_name(
    cloud: Cloud, sandbox: SandboxCloud
) -> None:
    sandbox.faults({"kind": "500", "method": "POST", "path": "/v2/droplets", "count": 1})
    pool.resize()
    with pytest.raises(pool.Unavailable):
        pool.ask_for_droplets(cloud)
    pool.look_for_lost_answers(cloud)
    assert states() == ["lost", "provisioning"]
    pool.keep()
    assert states() == ["lost", "provisioning", "provisioning"]
    names = [one.name for one in cloud.droplets()]
    assert len(names) == len(set(names)) == 2
    assert Worker.objects.get(state="lost").name not in names


def test_a_429_asks_again_under_the_same_name(cloud: Cloud, sandbox: SandboxCloud) -> None:
    sandbox.faults({"kind": "429", "method": "POST", "path": "/v2/droplets", "count": 1})
    pool.resize()
    with pytest.raises(pool.Unavailable):
        pool.ask_for_droplets(cloud)
    assert Worker.objects.filter(create_tried_at=None).count() == 2
    pool.ask_for_droplets(cloud)
    assert len(cloud.droplets()) == 2
    assert states() == ["provisioning", "provisioning"]


def test_a_crash_between_the_call_and_the_record_is_repaired(cloud: Cloud) -> None:
    worker = make_worker(WorkerState.PROVISIONING)
    DropletLife.objects.create(worker_id=worker.pk, name=worker.name, size="s-1")
    Worker.objects.update(create_tried_at=timezone.now() - timedelta(minutes=1))
    made = cloud.create(worker.name, "#!/bin/sh\nexec sleep 300\n")  # and the process dies here
    pool.keep()
    worker.refresh_from_db()
    assert worker.provider_id == made.provider_id
    assert [one.name for one in cloud.droplets()].count(worker.name) == 1


def test_an_idle_worker_that_drains_retires_at_once() -> None:
    worker = make_worker(ready_at=timezone.now())
    assert worker.request_drain("kim", "old image")
    assert not worker.request_drain("kim", "again")
    pool.let_go()
    worker.refresh_from_db()
    assert worker.state == WorkerState.RETIRED
    assert AuditEntry.objects.get().reason == "old image"


def test_a_draining_worker_finishes_what_was_delivered_to_it() -> None:
    worker, assignment = busy_worker(delivered=True)
    worker.request_drain("kim", "old image")
    pool.let_go()
    worker.refresh_from_db()
    assert worker.state == WorkerState.BUSY
    Assignment.by_id(assignment.pk).close("passed")
    pool.let_go()
    worker.refresh_from_db()
    assert worker.state == WorkerState.RETIRED


def test_a_draining_worker_gives_back_what_it_was_not_handed() -> None:
    worker, assignment = busy_worker(delivered=False)
    worker.request_drain("kim", "old image")
    pool.let_go()
    worker.refresh_from_db()
    assert (worker.state, worker.assignment_id) == (WorkerState.RETIRED, None)
    again = Assignment.by_id(assignment.pk)
    assert (again.external_id, again.number, again.live) == (None, 1, True)


def test_draining_the_pool_lets_all_go_and_makes_none_until_it_ends(cloud: Cloud) -> None:
    idle = make_worker(ready_at=timezone.now())
    PoolRequest.ask(True, "kim", "the last day")
    pool.keep()
    idle.refresh_from_db()
    assert states() == ["retired"]
    PoolRequest.ask(False, "kim", "not yet the last day")
    pool.keep()
    assert states() == ["provisioning", "provisioning", "retired"]


def test_a_worker_that_was_lost_undelivered_frees_its_assignment_for_another() -> None:
    worker, assignment = busy_worker(delivered=False)
    assert worker.lose("silent")
    other = make_worker(ready_at=timezone.now())
    assert dispatcher.claim(Assignment.by_id(assignment.pk)) == other.pk
    assert Assignment.by_id(assignment.pk).number == 1


def test_a_worker_that_is_lost_with_a_task_in_hand_ends_that_attempt() -> None:
    worker, assignment = busy_worker(delivered=True)
    worker.lose("silent")
    assert Assignment.by_id(assignment.pk).category == "droplet_lost"
    assert Assignment.objects.get(task=assignment.task, closed_at=None).number == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("reachable,state", [(True, "lost"), (False, "provisioning")])
def test_workers_whose_agent_never_calls_are_given_up_if_it_could_have(
    settings_of_droplets: Config,
    live_server: Any,
    monkeypatch: pytest.MonkeyPatch,
    reachable: bool,
    state: str,
) -> None:
    url = live_server.url if reachable else f"http://127.0.0.1:{free_port()}"
    config = dataclasses.replace(settings_of_droplets, boot_timeout=60, api_host=url)
    monkeypatch.setattr(inventory, "config", lambda: config)
    old = timezone.now() - timedelta(seconds=61)
    silent = make_worker(WorkerState.PROVISIONING, created_at=old)
    imported = make_worker(WorkerState.PROVISIONING, created_at=old, imported=True)
    inventory.give_up_unready()
    for worker in (silent, imported):
        worker.refresh_from_db()
    assert (silent.state, imported.state) == (state, WorkerState.PROVISIONING)


@pytest.mark.django_db(transaction=True)
def test_one_whose_agent_calls_while_it_is_asked_whether_it_could_have_is_kept(
    settings_of_droplets: Config, live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(settings_of_droplets, boot_timeout=60, api_host=live_server.url)
    monkeypatch.setattr(inventory, "config", lambda: config)
    old = timezone.now() - timedelta(seconds=61)
    worker = make_worker(WorkerState.PROVISIONING, created_at=old)
    with just_before(
        'UPDATE "droplets_worker" SET "state"', lambda: Worker.move(worker.pk, WorkerState.IDLE)
    ):
        inventory.give_up_unready()
    worker.refresh_from_db()
    assert worker.state == WorkerState.IDLE


def test_a_worker_that_is_lost_just_after_it_was_given_a_task_gives_it_back() -> None:
    read_before = make_worker(ready_at=timezone.now())
    assignment = make_assignment()
    assert dispatcher.claim(assignment) == read_before.pk
    assert read_before.lose("silent")
    again = Assignment.by_id(assignment.pk)
    assert (again.live, again.external_id, again.number) == (True, None, 1)
