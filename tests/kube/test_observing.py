"""Lists and watches may lie: an end is read from the cluster itself, and what was seen is kept."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dispatch import encryption, redaction
from dispatch.backends import Sighting, Unavailable
from dispatch.models import Assignment, TaskSecret
from dispatch.outcomes import Category
from kube.reading import Grace
from kube.worker import KubernetesWorker
from tests.kube.cluster import AnyCluster, SandboxCluster
from tests.kube.conftest import queued, started
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

Json = dict[str, Any]
AT_ONCE = Grace(pull=0, no_pod=0, unschedulable=0, set_up=0, config=0, reported=0)


@pytest.fixture
def hasty(cluster: AnyCluster) -> KubernetesWorker:
    """One that waits for nothing."""
    return KubernetesWorker(cluster.config(relist=0.0, grace=AT_ONCE))


def see(worker: KubernetesWorker, assignment: Assignment) -> Sighting:
    (sighting,) = worker.observe([Assignment.by_id(assignment.pk)])
    return sighting


def fail_pod(cluster: AnyCluster, pod: Json, message: str = "") -> None:
    """Its tests' container was ended, and the pod is over."""
    times = {"startedAt": "2026-01-01T12:00:00Z", "finishedAt": "2026-01-01T12:00:01Z"}
    ended = {"exitCode": 143, "reason": "Error", "message": message, **times}
    statuses = [
        {**status, "ready": False, "state": {"terminated": ended}}
        for status in pod["status"]["containerStatuses"]
    ]
    body = {"status": {"phase": "Failed", "containerStatuses": statuses}}
    cluster.change("pods", pod["metadata"]["name"], body, "status")


def job_of(assignment: Assignment) -> str:
    return str(assignment.external_id).partition("/")[0]


@pytest.mark.any_cluster
def test_a_running_pod_ends_nothing_even_without_any_patience(
    cluster: AnyCluster, hasty: KubernetesWorker
) -> None:
    assignment = started(hasty)
    cluster.pod_of(job_of(assignment))
    assert see(hasty, assignment) == Sighting(assignment_id=assignment.pk, holds=True)


@pytest.mark.any_cluster
def test_a_pod_that_was_lost_ends_the_attempt_and_says_so(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    pod = cluster.pod_of(job_of(assignment))
    assert see(worker, assignment).ended is None
    cluster.lose(pod["metadata"]["name"])
    wait_until(lambda: see(worker, assignment).ended)
    found = see(worker, assignment)
    # A real cluster shows it as one that was deleted until its Job has counted it.
    assert found.ended == Category.UNKNOWN
    assert found.detail.startswith(("Its pod has vanished", "Its pod was deleted"))


def test_a_list_that_leaves_the_pod_out_is_not_believed(
    cluster: SandboxCluster, hasty: KubernetesWorker
) -> None:
    assignment = started(hasty)
    cluster.pod_of(job_of(assignment))
    assert see(hasty, assignment).ended is None
    cluster.faults({"kind": "omit", "path": "/pods", "objects": 100})
    for _ in range(3):
        assert see(hasty, assignment).ended is None
        hasty._observing._denied.clear()
    assert sum(cluster.fired()) >= 4


def test_a_controller_that_has_just_started_waits_before_it_believes_such_a_list(
    cluster: SandboxCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    cluster.pod_of(job_of(assignment))
    cluster.faults({"kind": "omit", "path": "/pods", "objects": 100})
    fresh = KubernetesWorker(cluster.config(relist=0.0))
    assert see(fresh, assignment).ended is None
    (uid,) = fresh._observing._missing
    fresh._observing._missing[uid] -= timedelta(seconds=29)
    sighting = see(fresh, assignment)
    assert (sighting.ended, sighting.pending) == (None, "Its pod has vanished.")
    cluster.faults()
    assert see(fresh, assignment).pending == ""


@pytest.mark.any_cluster
def test_a_watch_that_lies_about_a_deletion_ends_nothing(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    see(worker, assignment)
    worker.jobs._relist = worker.pods._relist = 3600
    (job,) = cluster.list("jobs")
    worker.jobs._take({"type": "DELETED", "object": job})
    sighting = see(worker, assignment)
    assert (sighting.holds, sighting.ended) == (True, None)


def test_an_end_that_a_live_read_denies_is_not_asked_for_all_the_time(
    cluster: SandboxCluster, hasty: KubernetesWorker
) -> None:
    assignment = started(hasty)
    pod = cluster.pod_of(job_of(assignment))
    see(hasty, assignment)
    hasty.jobs._relist = hasty.pods._relist = 3600
    lie = {**pod, "status": {**pod["status"], "reason": "NodeLost"}}
    hasty.pods._take({"type": "MODIFIED", "object": lie})
    cluster.faults({"kind": "latency", "seconds": 0, "path": "/jobs/task-"})
    for _ in range(4):
        assert see(hasty, assignment).ended is None
    assert cluster.fired() == [1]


@pytest.mark.any_cluster
def test_why_a_job_has_no_pod_is_told_and_kept_with_its_events(
    cluster: AnyCluster, hasty: KubernetesWorker, worker: KubernetesWorker
) -> None:
    cluster.quota(jobs=999, pods=0)
    assignment = started(worker)
    wait_until(lambda: "exceeded quota" in see(worker, assignment).pending)
    found = see(hasty, assignment)
    assert found.ended == Category.QUOTA and "exceeded quota" in found.detail
    reasons = {event["reason"] for event in found.seen["events"]}
    assert "FailedCreate" in reasons
    assert found.seen["job"]["name"] == job_of(assignment)


def test_one_list_of_events_serves_all_jobs_without_a_pod(
    cluster: SandboxCluster, worker: KubernetesWorker
) -> None:
    cluster.faults({"kind": "quota_full", "resource": "pods"})
    assignments = [started(worker) for _ in range(3)]
    cluster.faults(
        {"kind": "quota_full", "resource": "pods"},
        {"kind": "latency", "seconds": 0, "path": "/events"},
    )
    worker.observe(assignments)
    worker.observe(assignments)
    assert cluster.fired()[1] == 1


@pytest.mark.any_cluster
def test_what_was_seen_of_the_pod_is_kept_free_of_secrets_and_small(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = queued()
    ciphertext = encryption.encrypt_mapping({"API_KEY": "s3cr3t-value"})
    TaskSecret.objects.create(task=assignment.task, ciphertext=ciphertext)
    assignment.place(worker.start(assignment).external_id)
    pod = cluster.pod_of(job_of(assignment))
    fail_pod(cluster, pod, "gone with s3cr3t-value " + "x" * 3000)
    found = see(worker, assignment)
    assert found.ended == Category.NO_VERDICT
    assert "s3cr3t-value" not in f"{found}"
    (kept,) = found.seen["pods"]
    assert kept["containers"]["test"]["state"]["terminated"]["exitCode"] == 143
    assert kept["phase"] == "Failed" and kept["conditions"]
    assert len(f"{found.seen}") < 16_000


@pytest.mark.any_cluster
def test_the_agents_finish_decides_where_it_has_just_come(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    fail_pod(cluster, cluster.pod_of(job_of(assignment)))
    rows = Assignment.objects.filter(pk=assignment.pk)
    rows.update(finished_at=timezone.now() - timedelta(seconds=1))
    assert see(worker, assignment).ended is None
    rows.update(finished_at=timezone.now() - timedelta(seconds=31))
    worker._observing._denied.clear()
    assert see(worker, assignment).ended == Category.NO_VERDICT


def test_what_runs_on_and_what_still_waits_costs_no_query(
    cluster: SandboxCluster, worker: KubernetesWorker, django_assert_num_queries: Any
) -> None:
    well = started(worker)
    cluster.pod_of(job_of(well))
    cluster.faults({"kind": "quota_full", "resource": "pods"})
    stuck = started(worker)
    wait_until(lambda: see(worker, stuck).pending)
    stuck.waits(see(worker, stuck).pending)
    assignments = [Assignment.by_id(one.pk) for one in (well, stuck)]
    redaction._redactors.clear()
    with django_assert_num_queries(0):
        worker.observe(assignments)


@pytest.mark.any_cluster
def test_memory_is_kept_for_the_jobs_that_there_are_alone(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    cluster.pod_of(job_of(assignment))
    see(worker, assignment)
    assert worker._observing._pods
    cluster.clear()
    worker.observe([])
    assert not worker._observing._pods


@pytest.mark.any_cluster
def test_a_job_of_another_uid_is_not_ours_and_is_looked_at_once_more(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    see(worker, assignment)
    worker.jobs._relist = 3600
    (job,) = cluster.list("jobs")
    lie = {**job, "metadata": {**job["metadata"], "uid": "another"}}
    worker.jobs._take({"type": "MODIFIED", "object": lie})
    assert see(worker, assignment) == Sighting(assignment_id=assignment.pk, holds=True)


def test_one_that_the_cluster_does_not_answer_about_keeps_no_other_back(
    cluster: SandboxCluster, worker: KubernetesWorker
) -> None:
    well, gone, gone_too = (started(worker) for _ in range(3))
    for assignment in (gone, gone_too):
        cluster.delete("jobs", job_of(assignment))
    cluster.faults({"kind": "500", "method": "GET", "path": "/jobs/task-"})
    found = worker.observe([gone, well, gone_too])
    assert [sighting.assignment_id for sighting in found] == [well.pk]
    assert cluster.fired() == [1], "nobody else is asked about in this pass"
    with pytest.raises(Unavailable):
        worker.observe([gone])
    cluster.faults()
    assert len(worker.observe([gone, well, gone_too])) == 3
