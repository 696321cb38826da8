"""Destruction: only what our rows and a live read both say, and verified; inventory: a list is
a suspicion, never a verdict."""

import pytest
from django.utils import timezone

from dispatch.models import Assignment, DropletLife
from droplets import destroying, inventory
from droplets.cloud import Cloud, Droplet
from droplets.models import DecommissionRefused, Orphan, Worker, WorkerState
from tests.droplets.conftest import SandboxCloud
from tests.droplets.factories import make_worker
from tests.factories import make_assignment

pytestmark = pytest.mark.django_db

SLEEP = "#!/bin/sh\nexec sleep 300\n"


def with_droplet(cloud: Cloud, state: str = WorkerState.IDLE) -> tuple[Worker, Droplet]:
    worker = make_worker(state, ready_at=timezone.now())
    droplet = cloud.create(worker.name, SLEEP)
    Worker.objects.filter(pk=worker.pk).update(provider_id=droplet.provider_id)
    DropletLife.objects.create(
        worker_id=worker.pk, name=worker.name, size=droplet.size, created_at=droplet.created_at
    )
    worker.refresh_from_db()
    return worker, droplet


def give(worker: Worker) -> Assignment:
    assignment = make_assignment()
    assignment.place(str(worker.pk))
    assignment.deliver()
    Worker.move(worker.pk, WorkerState.BUSY, changes={"assignment_id": assignment.pk})
    worker.refresh_from_db()
    return assignment


def deletes(sandbox: SandboxCloud) -> int:
    calls = sandbox.state()["calls"]
    return sum(one["total"] for call, one in calls.items() if call.startswith("DELETE"))


def test_a_retired_worker_is_destroyed_and_verified_gone(cloud: Cloud) -> None:
    worker, droplet = with_droplet(cloud)
    worker.retire("done")
    destroying.destroy_ended()
    worker.refresh_from_db()
    assert worker.destroyed_at is not None
    assert cloud.droplet(droplet.provider_id) is None
    life = DropletLife.objects.get()
    assert life.destroyed_at is not None and life.verified_gone_at is not None


def test_an_idle_worker_is_not_destroyed(cloud: Cloud) -> None:
    _, droplet = with_droplet(cloud)
    destroying.destroy_ended()
    assert cloud.droplet(droplet.provider_id) is not None


def test_a_droplet_of_another_name_is_never_destroyed(cloud: Cloud, sandbox: SandboxCloud) -> None:
    worker, _ = with_droplet(cloud)
    somebody_elses = cloud.create("production-database", SLEEP)
    Worker.objects.filter(pk=worker.pk).update(provider_id=somebody_elses.provider_id)
    worker.retire("done")
    before = deletes(sandbox)
    destroying.destroy_ended()
    assert cloud.droplet(somebody_elses.provider_id) is not None
    assert deletes(sandbox) == before
    assert Worker.standing().filter(pk=worker.pk).exists()


def test_a_delete_that_is_not_answered_is_looked_at_again(
    cloud: Cloud, sandbox: SandboxCloud
) -> None:
    worker, droplet = with_droplet(cloud)
    worker.retire("done")
    sandbox.faults({"kind": "drop_answer", "method": "DELETE", "count": 1})
    with pytest.raises(destroying.Unavailable):
        destroying.destroy(worker, cloud)
    assert Worker.standing().filter(pk=worker.pk).exists()
    destroying.destroy(worker, cloud)
    worker.refresh_from_db()
    assert worker.destroyed_at is not None


def test_a_worker_with_a_live_assignment_is_not_destroyed_whatever_its_state(
    cloud: Cloud, sandbox: SandboxCloud
) -> None:
    worker, droplet = with_droplet(cloud)
    give(worker)
    Worker.objects.filter(pk=worker.pk).update(state=WorkerState.LOST)
    before = deletes(sandbox)
    destroying.destroy(worker, cloud)
    assert deletes(sandbox) == before


def test_decommission_is_refused_while_a_task_runs_there(cloud: Cloud) -> None:
    worker, _ = with_droplet(cloud)
    assignment = give(worker)
    with pytest.raises(DecommissionRefused, match="drain it instead"):
        worker.decommission("kim", "too slow")
    Assignment.by_id(assignment.pk).close("passed")
    worker.decommission("kim", "too slow")
    worker.refresh_from_db()
    assert worker.state == WorkerState.RETIRED


def test_no_call_destroys_by_tag(cloud: Cloud, sandbox: SandboxCloud) -> None:
    for _ in range(3):
        worker, _ = with_droplet(cloud)
        worker.retire("done")
    destroying.destroy_ended()
    calls = sandbox.state()["calls"]
    deleted = {call for call in calls if call.startswith("DELETE")}
    assert deleted and all("{" in call for call in deleted), "only single droplets, by their id"


def test_a_droplet_that_vanished_loses_its_worker_and_the_task_is_tried_again(
    cloud: Cloud,
) -> None:
    worker, droplet = with_droplet(cloud)
    assignment = give(worker)
    cloud.destroy(droplet.provider_id)
    inventory.compare()
    worker.refresh_from_db()
    assert worker.state == WorkerState.LOST
    assert Assignment.by_id(assignment.pk).category == "droplet_lost"


def test_a_list_that_leaves_one_out_harms_nobody(cloud: Cloud, sandbox: SandboxCloud) -> None:
    worker, _ = with_droplet(cloud)
    sandbox.faults({"kind": "omit", "droplets": 1})
    inventory.compare()
    worker.refresh_from_db()
    assert worker.state == WorkerState.IDLE


def test_a_list_that_lies_consistently_harms_nobody(cloud: Cloud, sandbox: SandboxCloud) -> None:
    worker, _ = with_droplet(cloud)
    sandbox.faults({"kind": "omit", "droplets": 1, "honest_total": False})
    inventory.compare()
    worker.refresh_from_db()
    assert worker.state == WorkerState.IDLE


def test_droplets_of_nobody_are_noticed_and_left_alone(cloud: Cloud, sandbox: SandboxCloud) -> None:
    stray = cloud.create("switchyard-default-of-an-old-database", SLEEP)
    before = deletes(sandbox)
    inventory.compare()
    assert Orphan.objects.get().provider_id == stray.provider_id
    assert deletes(sandbox) == before
    cloud.destroy(stray.provider_id)
    inventory.compare()
    assert not Orphan.objects.exists()


def test_a_droplet_is_noted_as_up_with_its_address(cloud: Cloud) -> None:
    worker, _ = with_droplet(cloud, WorkerState.PROVISIONING)

    def up() -> bool:
        inventory.compare()
        worker.refresh_from_db()
        return worker.active_at is not None and worker.ip_address is not None

    from tests.waiting import wait_until

    wait_until(up)
