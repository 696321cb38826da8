"""Starting repairs whatever an earlier start was kept from, and no pod lacks its Secrets."""

import dataclasses
from typing import Any

import pytest

from dispatch.backends import NoCapacity, Rejected, Unavailable
from dispatch.models import Assignment
from dispatch.outcomes import Category
from kube.manifest.job import suffix_of
from kube.manifest.request import job_name
from kube.requesting import manifests_of, with_rows
from kube.worker import KubernetesWorker
from tests.kube.cluster import AnyCluster, SandboxCluster
from tests.kube.conftest import queued, started

pytestmark = pytest.mark.django_db

Json = dict[str, Any]


def name_of(assignment: Assignment) -> str:
    return job_name(assignment.task_id, assignment.number)


def check_whole(cluster: AnyCluster, assignment: Assignment) -> None:
    """One Job, released, and everything that its pod needs is there and belongs to it."""
    (job,) = cluster.list("jobs")
    assert job["spec"]["suspend"] is False
    wanted = manifests_of(with_rows(assignment.pk), cluster.config(), suffix_of(job))
    for body in wanted.dependents(job["metadata"]["uid"]):
        kind = "secrets" if body["kind"] == "Secret" else "configmaps"
        (owner,) = cluster.get(kind, body["metadata"]["name"])["metadata"]["ownerReferences"]
        assert owner["uid"] == job["metadata"]["uid"]


FAULTS: dict[str, Json] = {
    "refused": {"kind": "500"},
    "refused after it worked": {"kind": "500", "worked": True},
    "reset": {"kind": "reset"},
    "answer lost": {"kind": "drop_answer"},
    "no answer": {"kind": "hang_answer", "seconds": 1},
}


@pytest.mark.parametrize("path", ["/jobs$", "/secrets$", "/configmaps$", "/jobs/task"])
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_call_that_fails_at_any_point_is_repaired_by_the_next_start(
    cluster: SandboxCluster, fault: str, path: str
) -> None:
    worker = KubernetesWorker(cluster.config(timeout=0.4))
    assignment = queued()
    where = path.replace("$", r"(\?|$)")
    cluster.faults({**FAULTS[fault], "path": where, "count": 1})
    with pytest.raises(Unavailable):
        worker.start(assignment)
    for job in cluster.list("jobs"):
        if not job["spec"]["suspend"]:
            check_whole(cluster, assignment)
    cluster.faults()
    KubernetesWorker(cluster.config()).start(assignment)
    check_whole(cluster, assignment)


def cut_short(worker: KubernetesWorker, assignment: Assignment) -> None:
    """The starter dies with the Job and its Secrets made, before it released it."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(worker, "_release", _crash)
        worker.start(assignment)


def _crash(*arguments: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.any_cluster
def test_a_start_that_was_cut_short_before_the_release_is_gone_on_with(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = queued()
    cut_short(worker, assignment)
    (before,) = cluster.list("jobs")
    worker.start(assignment)
    check_whole(cluster, assignment)
    (after,) = cluster.list("jobs")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


@pytest.mark.any_cluster
def test_what_an_older_job_of_its_name_has_left_behind_is_not_used(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = queued()
    cut_short(worker, assignment)
    (before,) = cluster.list("jobs")
    (secret,) = manifests_of(with_rows(assignment.pk), worker.config, suffix_of(before)).secrets
    name = secret["metadata"]["name"]
    cluster.change("secrets", name, {"metadata": {"finalizers": ["example.com/hold"]}})
    cluster.delete("jobs", name_of(assignment))
    worker.start(assignment)
    check_whole(cluster, assignment)
    assert cluster.get("secrets", name), "it was still there"
    cluster.change("secrets", name, {"metadata": {"finalizers": None}})


@pytest.mark.any_cluster
def test_a_starter_that_paused_ends_as_the_one_that_went_on(
    cluster: AnyCluster, worker: KubernetesWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assignment, other = queued(), KubernetesWorker(cluster.config())
    make = worker._make_dependents
    placements = []

    def after_a_pause(*arguments: Any) -> None:
        monkeypatch.undo()
        placements.append(other.start(assignment))
        make(*arguments)

    monkeypatch.setattr(worker, "_make_dependents", after_a_pause)
    assert [worker.start(assignment)] == placements
    check_whole(cluster, assignment)


@pytest.mark.any_cluster
@pytest.mark.parametrize("pause", ["_make_dependents", "_release"])
def test_a_starter_that_paused_takes_nothing_from_the_job_that_was_made_after_its_own(
    cluster: AnyCluster, worker: KubernetesWorker, monkeypatch: pytest.MonkeyPatch, pause: str
) -> None:
    assignment, other = queued(), KubernetesWorker(cluster.config())
    go_on = getattr(worker, pause)
    placements = []

    def after_a_pause(*arguments: Any) -> None:
        cluster.delete("jobs", name_of(assignment))
        placements.append(other.start(assignment))
        go_on(*arguments)

    monkeypatch.setattr(worker, pause, after_a_pause)
    with pytest.raises(NoCapacity):
        worker.start(assignment)
    check_whole(cluster, assignment)
    assert [other.start(assignment)] == placements


@pytest.mark.any_cluster
def test_a_job_that_is_being_deleted_is_waited_for(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = queued()
    name = worker.start(assignment).external_id.partition("/")[0]
    cluster.change("jobs", name, {"metadata": {"finalizers": ["example.com/hold"]}})
    cluster.delete("jobs", name)
    with pytest.raises(NoCapacity, match="being deleted"):
        worker.start(assignment)
    cluster.change("jobs", name, {"metadata": {"finalizers": None}})
    worker.start(assignment)
    check_whole(cluster, assignment)


@pytest.mark.any_cluster
def test_one_that_was_claimed_gets_no_second_job(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    """The release worked without an answer, its agent claimed, and then somebody deleted it."""
    assignment = queued()
    worker.start(assignment)
    assignment.claim("the pod")
    placement = worker.start(assignment)
    assert placement.external_id.startswith(name_of(assignment))
    cluster.delete("jobs", name_of(assignment))
    with pytest.raises(NoCapacity):
        worker.start(assignment)
    assert cluster.list("jobs") == []
    assert Assignment.by_id(assignment.pk).category == Category.UNKNOWN


@pytest.mark.parametrize("path", ["/jobs", "/secrets"])
def test_a_conflict_over_the_quota_is_tried_again_and_harms_nobody(
    cluster: SandboxCluster, worker: KubernetesWorker, path: str
) -> None:
    assignment = queued()
    text = 'Operation cannot be fulfilled on resourcequotas "jobs": the object has been modified'
    rule = {"kind": "409", "reason": "Conflict", "message": text, "method": "POST", "path": path}
    cluster.faults({**rule, "count": 1})
    with pytest.raises(NoCapacity):
        worker.start(assignment)
    worker.start(assignment)
    check_whole(cluster, assignment)


def test_waiting_for_room_in_the_quota_is_no_start_that_was_lost(
    cluster: SandboxCluster, worker: KubernetesWorker
) -> None:
    """However long it takes: nothing was made, and that is known."""
    assignment = queued()
    cluster.faults({"kind": "quota_full", "resource": "jobs", "count": 2})
    for _ in range(2):
        with pytest.raises(NoCapacity, match="exceeded quota"):
            worker.start(assignment)
        assert Assignment.by_id(assignment.pk).start_tried_at is None
    worker.start(assignment)
    check_whole(cluster, assignment)


def test_a_cluster_that_did_not_hear_us_has_lost_no_start(
    cluster: SandboxCluster, worker: KubernetesWorker
) -> None:
    """However long it is away: no attempt is used up by that."""
    assignment = queued()
    cluster.faults({"kind": "429", "method": "POST", "path": "/jobs", "count": 1})
    with pytest.raises(Unavailable):
        worker.start(assignment)
    assert Assignment.by_id(assignment.pk).start_tried_at is None
    worker.start(assignment)
    check_whole(cluster, assignment)


def test_a_full_quota_says_nothing_of_an_earlier_start_without_an_answer(
    cluster: SandboxCluster, worker: KubernetesWorker
) -> None:
    assignment = queued()
    cluster.faults({"kind": "reset", "method": "POST", "path": "/jobs", "count": 1})
    with pytest.raises(Unavailable):
        worker.start(assignment)
    tried = Assignment.by_id(assignment.pk).start_tried_at
    cluster.faults({"kind": "quota_full", "resource": "jobs"})
    with pytest.raises(NoCapacity):
        worker.start(assignment)
    assert Assignment.by_id(assignment.pk).start_tried_at == tried is not None


@pytest.mark.any_cluster
def test_a_namespace_that_is_not_there_is_an_unavailable_cluster(cluster: AnyCluster) -> None:
    config = cluster.config()
    manifest = dataclasses.replace(config.manifest, namespace="nowhere")
    worker = KubernetesWorker(dataclasses.replace(config, manifest=manifest))
    with pytest.raises(Unavailable, match="nowhere"):
        worker.start(queued())


@pytest.mark.any_cluster
def test_a_job_of_another_assignment_under_our_name_is_rejected(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = queued()
    job = manifests_of(with_rows(assignment.pk), worker.config).job
    labels = {**job["metadata"]["labels"], "switchyard/assignment": "of-somebody-else"}
    cluster.make("jobs", {**job, "metadata": {**job["metadata"], "labels": labels}})
    with pytest.raises(Rejected, match="not ours"):
        worker.start(assignment)


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_delete_that_fails_is_repeated_until_it_is_gone(
    cluster: SandboxCluster, fault: str
) -> None:
    worker = KubernetesWorker(cluster.config(relist=0.0, timeout=0.4))
    assignment = started(worker)
    assignment.close(Category.CANCELLED)
    cluster.faults({**FAULTS[fault], "method": "DELETE", "count": 1})
    with pytest.raises(Unavailable):
        worker.stop(assignment)
    worker.stop(assignment)
    (sighting,) = worker.observe([assignment])
    assert not sighting.holds
    assert cluster.list("jobs") == []
