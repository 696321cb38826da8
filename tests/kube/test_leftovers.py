"""A Job that is left over goes only when our rows and a live read of it agree."""

from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from dispatch.models import Assignment
from dispatch.outcomes import Category
from kube import leftovers
from kube.manifest.job import INSTALLATION
from kube.models import StrayJob
from kube.worker import KubernetesWorker
from tests.kube.cluster import AnyCluster
from tests.kube.conftest import queued, started
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db, pytest.mark.any_cluster]

Json = dict[str, Any]


def released(worker: KubernetesWorker) -> Assignment:
    """Of which the Job is still there, although we were told that it was gone."""
    assignment = started(worker)
    assignment.close(Category.CANCELLED)
    Assignment.objects.filter(pk=assignment.pk).update(released_at=timezone.now())
    return assignment


def test_a_job_whose_assignment_is_released_is_removed(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    released(worker)
    wait_until_swept(cluster, worker)


def wait_until_swept(cluster: AnyCluster, worker: KubernetesWorker) -> None:
    """A Job that is just being written by its controller is left to the next round."""

    def is_gone() -> bool:
        leftovers.sweep(worker)
        return cluster.list("jobs") == []

    wait_until(is_gone)


@pytest.mark.parametrize("closed", [False, True])
def test_one_that_is_live_or_still_to_be_stopped_is_left_to_the_reconciling(
    cluster: AnyCluster, worker: KubernetesWorker, closed: bool
) -> None:
    assignment = started(worker)
    if closed:
        assignment.close(Category.CANCELLED)
    leftovers.sweep(worker)
    assert len(cluster.list("jobs")) == 1


def test_a_job_of_another_installation_is_not_touched(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    released(worker)
    (job,) = cluster.list("jobs")
    labels = {"metadata": {"labels": {INSTALLATION: "another"}}}
    cluster.change("jobs", job["metadata"]["name"], labels)
    leftovers.sweep(worker)
    assert len(cluster.list("jobs")) == 1
    assert not StrayJob.objects.exists()


def test_a_list_alone_is_not_acted_on(
    cluster: AnyCluster, worker: KubernetesWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there now has another UID than what the list showed."""
    released(worker)
    (job,) = cluster.list("jobs")
    old = {**job, "metadata": {**job["metadata"], "uid": "the one before"}}
    monkeypatch.setattr(worker.cluster, "list", lambda *_, **__: {"items": [old]})
    leftovers.sweep(worker)
    assert len(cluster.list("jobs")) == 1


def test_what_changes_between_the_look_and_the_delete_stays(
    cluster: AnyCluster, worker: KubernetesWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(worker)
    get = worker.cluster.get

    def then_somebody_else(kind: str, name: str) -> Json:
        found = get(kind, name)
        cluster.change(kind, name, {"metadata": {"annotations": {"seen": "by another"}}})
        return found

    monkeypatch.setattr(worker.cluster, "get", then_somebody_else)
    leftovers.sweep(worker)
    assert len(cluster.list("jobs")) == 1


def forgotten(worker: KubernetesWorker) -> None:
    """Its Job is there, its rows are not: the database is an older one."""
    assignment = started(worker)
    Assignment.objects.filter(pk=assignment.pk).delete()


def test_a_job_that_no_row_knows_is_shown_and_left_alone(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    forgotten(worker)
    leftovers.sweep(worker)
    (job,) = cluster.list("jobs")
    (stray,) = StrayJob.objects.all()
    assert (stray.uid, stray.name) == (job["metadata"]["uid"], job["metadata"]["name"])
    leftovers.sweep(worker)
    assert StrayJob.objects.get().first_seen_at == stray.first_seen_at
    cluster.clear()
    leftovers.sweep(worker)
    assert not StrayJob.objects.exists()


@pytest.mark.parametrize("life,left", [(3600, 1), (0, 0)])
def test_one_that_was_never_released_goes_when_its_start_counts_as_lost(
    cluster: AnyCluster,
    worker: KubernetesWorker,
    monkeypatch: pytest.MonkeyPatch,
    life: int,
    left: int,
) -> None:
    assignment = queued()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(worker, "_release", _crash)
        worker.start(assignment)
    Assignment.objects.filter(pk=assignment.pk).delete()
    live_for(worker, life)
    if left == 0:
        wait_until_swept(cluster, worker)
    leftovers.sweep(worker)
    assert len(cluster.list("jobs")) == left


def test_one_that_runs_is_never_removed_for_its_age(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    forgotten(worker)
    live_for(worker, 0)
    leftovers.sweep(worker)
    assert len(cluster.list("jobs")) == 1


def _crash(*arguments: Any) -> None:
    raise KeyboardInterrupt


def live_for(worker: KubernetesWorker, seconds: int) -> None:
    manifest = replace(worker.config.manifest, time_to_live=seconds)
    worker.config = replace(worker.config, manifest=manifest)
