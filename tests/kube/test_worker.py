"""KubernetesWorker against a sandbox cluster over HTTP: idempotent, fenced, careful."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dispatch import encryption
from dispatch.backends import NoCapacity, Rejected, Unavailable
from dispatch.models import Assignment, TaskSecret
from dispatch.outcomes import Category
from kube.worker import KubernetesWorker
from tests.kube.cluster import COMPOSE, AnyCluster, SandboxCluster
from tests.kube.conftest import queued, started
from tests.kube.image_registry import ImageRegistry

pytestmark = pytest.mark.django_db


@pytest.mark.any_cluster
def test_a_job_is_made_with_its_secrets_and_then_released(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    (job,) = cluster.list("jobs")
    assert job["metadata"]["name"] == f"task-{assignment.task_id}-a1"
    assert job["spec"]["suspend"] is False
    assert assignment.external_id == f"{job['metadata']['name']}/{job['metadata']['uid']}"
    owners = {item["metadata"]["ownerReferences"][0]["uid"] for item in cluster.list("secrets")}
    assert job["metadata"]["uid"] in owners


@pytest.mark.any_cluster
def test_no_secret_stands_in_the_job(cluster: AnyCluster, worker: KubernetesWorker) -> None:
    assignment = queued()
    ciphertext = encryption.encrypt_mapping({"API_KEY": "s3cr3t-value"})
    TaskSecret.objects.create(task=assignment.task, ciphertext=ciphertext)
    worker.start(assignment)
    assert "s3cr3t-value" not in str(cluster.list("jobs"))


def test_a_429_says_how_long_to_wait(cluster: SandboxCluster, worker: KubernetesWorker) -> None:
    cluster.faults({"kind": "429", "retry_after": 7, "count": 1})
    with pytest.raises(Unavailable) as caught:
        worker.start(queued())
    assert caught.value.retry_after == 7


@pytest.mark.any_cluster
def test_one_that_is_closed_while_its_job_is_made_never_runs(
    cluster: AnyCluster, worker: KubernetesWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The starter pauses between the Job and its release, and the Task is cancelled there."""
    assignment = queued()
    make = worker._make_dependents

    def cancelled_meanwhile(*arguments: Any) -> None:
        make(*arguments)
        Assignment.by_id(assignment.pk).close(Category.CANCELLED)

    monkeypatch.setattr(worker, "_make_dependents", cancelled_meanwhile)
    with pytest.raises(NoCapacity):
        worker.start(assignment)
    assert cluster.list("jobs") == []
    assert cluster.list("pods") == []


@pytest.mark.any_cluster
def test_a_warning_that_refuses_nothing_keeps_no_job_back(
    cluster: AnyCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Here of a label of nodes that the API server calls by another name now."""
    config = cluster.config()
    nodes = {**config.manifest.node_selector, "beta.kubernetes.io/os": "linux"}
    manifest = replace(config.manifest, node_selector=nodes)
    with caplog.at_level("INFO", "kube.worker"):
        KubernetesWorker(replace(config, manifest=manifest)).start(queued())
    (job,) = cluster.list("jobs")
    assert job["spec"]["suspend"] is False
    assert "deprecated since v1.14" in caplog.text


@pytest.mark.any_cluster
def test_a_job_of_somebody_else_under_our_name_is_left_alone(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    Assignment.objects.filter(pk=assignment.pk).update(external_id="task-x/another-uid")
    worker.stop(Assignment.by_id(assignment.pk))
    assert len(cluster.list("jobs")) == 1


@pytest.mark.any_cluster
def test_a_start_never_confirmed_and_older_than_a_jobs_life_is_lost_and_not_made_again(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = queued()
    long_ago = timezone.now() - timedelta(hours=2)
    Assignment.objects.filter(pk=assignment.pk).update(start_tried_at=long_ago)
    with pytest.raises(NoCapacity):
        worker.start(assignment)
    assert cluster.list("jobs") == []
    assert Assignment.by_id(assignment.pk).category == Category.UNKNOWN


def test_what_cannot_be_planned_is_rejected_with_the_remedy(worker: KubernetesWorker) -> None:
    privileged = COMPOSE + "    privileged: true\n"
    with pytest.raises(Rejected, match="privileged"):
        worker.start(queued(compose_text=privileged))


@pytest.mark.any_cluster
def test_a_job_that_somebody_deleted_ends_the_attempt_after_a_live_read(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    assert worker.observe([assignment])[0].ended is None
    cluster.clear()
    (sighting,) = worker.observe([assignment])
    assert (sighting.holds, sighting.ended) == (False, Category.UNKNOWN)


@pytest.mark.any_cluster
def test_a_list_that_leaves_a_job_out_ends_nothing(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    worker.jobs._objects.clear()
    worker.jobs._relist = 3600
    (sighting,) = worker.observe([assignment])
    assert (sighting.holds, sighting.ended) == (True, None)


@pytest.mark.any_cluster
def test_stopping_takes_job_pods_and_secrets_away(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    assignment.close(Category.CANCELLED)
    worker.stop(assignment)
    worker.stop(assignment)
    assert cluster.list("jobs") == []
    (sighting,) = worker.observe([assignment])
    assert not sighting.holds


@pytest.mark.any_cluster
def test_preflight_knows_the_cluster_its_rights_and_the_registry(
    sharing: KubernetesWorker,
) -> None:
    assert {finding.level for finding in sharing.check()} <= {"ok", "warning"}
    assert "The registry answers the controller." in [one.text for one in sharing.check()]


def test_an_api_server_that_is_away_is_an_error_of_the_preflight(
    cluster: SandboxCluster, sharing: KubernetesWorker
) -> None:
    cluster.faults({"kind": "reset"})
    assert [finding.level for finding in sharing.check()] == ["error", "ok", "warning"]


def test_a_registry_that_does_not_tell_of_images_is_a_warning_of_the_preflight(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    """It may be the wrong one, or a path below which we may not look."""
    warnings = [one.text for one in sharing.check() if one.level == "warning"]
    assert [text for text in warnings if "registry" in text or "image" in text] == [
        "Jobs push to the registry without a login: whatever runs in a pod may push, too."
    ]
    for status in (403, 502):
        registry.faults({"status": status, "path": "/switchyard/preflight/manifests/"})
        found = [one for one in sharing.check() if one.text.startswith("Built images")]
        assert [one.level for one in found] == ["warning"]
        assert str(status) in found[0].text and "SWITCHYARD_KUBE_REGISTRY" in found[0].remedy


def test_a_registry_that_we_cannot_ask_is_an_error_where_images_are_shared(
    worker: KubernetesWorker,
) -> None:
    error = next(finding for finding in worker.check() if finding.level == "error")
    assert "registry" in error.text and "SWITCHYARD_KUBE_REGISTRY" in error.remedy
    worker.config = replace(worker.config, build_once=False)
    assert "error" not in {finding.level for finding in worker.check()}


@pytest.mark.any_cluster
def test_a_job_whose_agent_has_finished_is_not_hurried(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    rows = Assignment.objects.filter(pk=assignment.pk)
    rows.update(finished_at=timezone.now())
    assignment = Assignment.by_id(assignment.pk)
    assignment.close(Category.PASSED)
    worker.stop(assignment)
    assert len(cluster.list("jobs")) == 1, "its pod ends by itself"
    rows.update(closed_at=timezone.now() - timedelta(seconds=60))
    worker.stop(Assignment.by_id(assignment.pk))
    assert cluster.list("jobs") == [], "it has had its time"


@pytest.mark.any_cluster
def test_a_job_that_is_over_is_deleted_at_once(
    cluster: AnyCluster, worker: KubernetesWorker
) -> None:
    assignment = started(worker)
    Assignment.objects.filter(pk=assignment.pk).update(finished_at=timezone.now())
    assignment = Assignment.by_id(assignment.pk)
    assignment.close(Category.PASSED)
    (job,) = cluster.list("jobs")
    cluster.complete(job)
    worker.stop(assignment)
    assert cluster.list("jobs") == []
