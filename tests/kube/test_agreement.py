"""An attempt ends in the same category, whether the agent's report or the pod's status comes
first."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dispatch.controller.reconciling import settle
from dispatch.models import Assignment, TaskEvent
from dispatch.verdict import Ended, Evidence, Patience, judge
from kube.causes import CUSTOMER
from kube.reading import Grace
from kube.status import read
from kube.worker import KubernetesWorker
from tests.kube.cluster import SandboxCluster
from tests.kube.conftest import started
from tests.kube.pods import NOW, agentless, container, job, pod, terminated
from worker_image.switchyard_agent.job.course import KILLED, OF_THE_DOCKERFILE

Json = dict[str, Any]
AT_ONCE = Patience(trailer=timedelta(0), report=timedelta(0))

# What the agent says of it, and how the cluster shows it.
ENDS: dict[str, tuple[str, str, Json]] = {
    "clone": ("clone_failed", "clone", {"message": "fatal: repository not found"}),
    "step": ("build_failed", "kaniko", {"message": "failed to execute command: exit status 1"}),
    "syntax": ("build_failed", "kaniko", {"message": "error parsing dockerfile: line 3"}),
    "stage": ("build_failed", "kaniko", {"message": "finding target build stage: no x"}),
    "order": ("agent_error", "clone", {"message": "SWITCHYARD_CLONE_URL: not a URL"}),
    "lost": ("agent_error", "test", {}),
    "tests' memory": ("test_oom", "test", {"reason": "OOMKilled"}),
    "builder's memory": ("build_oom", "kaniko", {"reason": "OOMKilled"}),
}


@pytest.mark.parametrize("end", list(ENDS))
def test_report_and_status_agree(end: str) -> None:
    said, name, facts = ENDS[end]
    found = agentless(pod(container(name, **terminated(1, **facts))))
    reported = judge(Evidence(finished_at=NOW, said={said: ""}), NOW, AT_ONCE)
    assert isinstance(reported, Ended)
    assert read(job(), [found], [], NOW, Grace()).ended == reported.category


def test_both_sides_know_the_customers_builds_by_the_same_words() -> None:
    assert set(OF_THE_DOCKERFILE) == set(CUSTOMER)


@pytest.mark.parametrize("words", KILLED)
@pytest.mark.parametrize("reason,category", [("OOMKilled", "build_oom"), ("Error", "build_failed")])
def test_a_step_that_was_killed_is_left_to_who_knows_why(
    words: str, reason: str, category: str
) -> None:
    """The agent says nothing of it, so there is nothing to disagree with."""
    message = f"failed to execute command: waiting for process to exit: {words}"
    found = container("kaniko", **terminated(1, reason=reason, message=message))
    assert read(job(), [agentless(pod(found))], [], NOW, Grace()).ended == category


def fail_clone(cluster: SandboxCluster, assignment: Assignment, *, agent_gone: bool) -> None:
    found = cluster.pod_of(str(assignment.external_id).partition("/")[0])
    at = timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    ended: Json = {"exitCode": 1, "reason": "Error", "startedAt": at, "finishedAt": at}
    states: dict[str, Json] = {"clone": {"terminated": {**ended, "message": "fatal: no"}}}
    if agent_gone:
        states["agent"] = {"terminated": {**ended, "exitCode": 0, "reason": "Completed"}}
    statuses = [
        {**status, "state": states.get(status["name"], status["state"])}
        for status in found["status"]["initContainerStatuses"]
    ]
    body = {"status": {"initContainerStatuses": statuses}}
    cluster.change("pods", found["metadata"]["name"], body, "status")


@pytest.mark.django_db
@pytest.mark.parametrize("first", ["agent", "cluster"])
def test_a_failed_clone_ends_alike_whoever_comes_first(
    cluster: SandboxCluster, worker: KubernetesWorker, first: str
) -> None:
    assignment = started(worker)
    assignment.claim("the pod")
    fail_clone(cluster, assignment, agent_gone=first == "cluster")
    (sighting,) = worker.observe([Assignment.by_id(assignment.pk)])
    assert bool(sighting.ended) is (first == "cluster")
    if first == "agent":
        settle(Assignment.by_id(assignment.pk), sighting)
        assert Assignment.by_id(assignment.pk).live, "the agent is about to say it"
        _report(assignment, timezone.now())
    settle(Assignment.by_id(assignment.pk), sighting)
    row = Assignment.by_id(assignment.pk)
    assert (row.category, row.live) == ("no_verdict", False)
    kept = TaskEvent.objects.filter(task=row.task, kind="backend.ended")
    assert kept.count() == (1 if first == "cluster" else 0)


def _report(assignment: Assignment, at: datetime) -> None:
    end = judge(Evidence(finished_at=at, said={"clone_failed": "fatal: no"}), at, AT_ONCE)
    assert isinstance(end, Ended)
    assert Assignment.by_id(assignment.pk).close(end.category, end.sentence)
