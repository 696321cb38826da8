"""What a Job and its pods show is read as one cause, and waiting gets its grace."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch.outcomes import Category
from kube.causes import builder_end, pull_end
from kube.status import RUNS, Grace, read

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
GRACE = Grace()
JOB = {"spec": {"suspend": False}, "status": {"startTime": "2026-01-01T11:59:50Z"}}

Json = dict[str, Any]


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(*, age: float = 5, conditions: list[Json] | None = None, **status: Any) -> Json:
    began = {"startTime": ago(age), "conditions": conditions or []}
    return {"metadata": {"name": "p"}, "status": began | status}


def container(name: str, **state: Any) -> Json:
    return {"name": name, "state": state, "restartCount": 0}


def ended(pods: list[Json], job: Json = JOB, events: list[Json] | None = None) -> Category | None:
    return read(job, pods, events or [], NOW, GRACE).ended


def init(name: str, **state: Any) -> Json:
    return pod(initContainerStatuses=[container(name, **state)])


def test_a_pod_that_runs_says_nothing() -> None:
    running = pod(containerStatuses=[container("test", running={"startedAt": ago(1)})])
    assert read(JOB, [running], [], NOW, GRACE) == RUNS


@pytest.mark.parametrize(
    "message,category",
    [
        ("INFO x\nerror building image: failed to execute command: exit 1", "build_failed"),
        ("error: parsing dockerfile: unknown instruction", "build_failed"),
        ("error checking push permissions -- make sure", "registry_push"),
        ("error building image: MANIFEST_UNKNOWN: manifest unknown", "base_image_not_found"),
        ("", "unknown"),
    ],
)
def test_a_builder_is_read_by_its_last_line(message: str, category: str) -> None:
    failed = init("kaniko", terminated={"exitCode": 1, "message": message})
    assert ended([failed]) == category
    assert builder_end(message)[0] == category


@pytest.mark.parametrize("code", [137, 255, 0])
@pytest.mark.parametrize("name,category", [("kaniko", "build_oom"), ("test", "test_oom")])
def test_out_of_memory_is_told_by_its_reason_at_any_exit_code(
    name: str, category: str, code: int
) -> None:
    killed = container(name, terminated={"exitCode": code, "reason": "OOMKilled"})
    field = "initContainerStatuses" if name == "kaniko" else "containerStatuses"
    statuses: Json = {field: [killed]}
    assert ended([pod(**statuses)]) == category


@pytest.mark.parametrize(
    "message,category",
    [
        ("rpc error: x: not found", "image_pull_not_found"),
        ("insufficient_scope: authorization failed", "image_pull_auth"),
        ("unexpected status: 401 Unauthorized", "image_pull_auth"),
        ("dial tcp: lookup registry: no such host", "image_pull_network"),
    ],
)
def test_a_pull_has_a_minute_and_then_its_own_cause(message: str, category: str) -> None:
    waiting = [container("test", waiting={"reason": "ErrImagePull", "message": message})]
    young = read(JOB, [pod(age=59, containerStatuses=waiting)], [], NOW, GRACE)
    assert young.ended is None and message in young.pending
    assert ended([pod(age=61, containerStatuses=waiting)]) == category
    assert pull_end(message) == category


def test_a_customers_image_that_is_not_found_is_the_customers() -> None:
    waiting = [
        container("redis", waiting={"reason": "ImagePullBackOff", "message": "x: not found"})
    ]
    assert ended([pod(age=61, initContainerStatuses=waiting)]) == Category.SERVICE_FAILED


def test_a_service_that_keeps_crashing_is_named() -> None:
    crashing = container("postgres", waiting={"reason": "CrashLoopBackOff"})
    crashing |= {"restartCount": 3, "lastState": {"terminated": {"exitCode": 1}}}
    reading = read(JOB, [pod(initContainerStatuses=[crashing])], [], NOW, GRACE)
    assert reading.ended == Category.SERVICE_FAILED and "postgres" in reading.detail


@pytest.mark.parametrize(
    "status,category",
    [
        ({"reason": "Evicted", "message": "The node was low on memory"}, "evicted"),
        ({"reason": "Evicted", "message": "ephemeral local storage usage exceeds"}, "disk_full"),
        ({"reason": "NodeLost"}, "node_lost"),
    ],
)
def test_a_pod_that_was_taken_away_says_by_whom(status: Json, category: str) -> None:
    assert ended([pod(**status)]) == category


@pytest.mark.parametrize(
    "reason,category",
    [
        ("PreemptionByScheduler", "preempted"),
        ("EvictionByEvictionAPI", "evicted"),
        ("DeletionByTaintManager", "node_lost"),
    ],
)
def test_a_disruption_is_read_from_its_condition(reason: str, category: str) -> None:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason}
    assert ended([pod(conditions=[condition])]) == category


def test_waiting_for_room_has_its_grace() -> None:
    def waiting(seconds: float) -> Json:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        return pod(conditions=[{**condition, "lastTransitionTime": ago(seconds)}])

    assert ended([waiting(299)]) is None
    assert ended([waiting(301)]) == Category.UNSCHEDULABLE


@pytest.mark.parametrize(
    "message,category",
    [
        ("pods x is forbidden: exceeded quota: small", "quota"),
        ("violates PodSecurity baseline", "pod_refused"),
    ],
)
def test_a_job_without_a_pod_is_explained_by_its_events(message: str, category: str) -> None:
    event = {"reason": "FailedCreate", "message": message}
    young = {"spec": {}, "status": {"startTime": ago(29)}}
    old = {"spec": {}, "status": {"startTime": ago(31)}}
    assert ended([], young, [event]) is None
    assert ended([], old, [event]) == category


def test_a_suspended_job_waits_for_nothing() -> None:
    assert read({"spec": {"suspend": True}, "status": {}}, [], [], NOW, GRACE) == RUNS


def test_the_jobs_deadline_is_told_at_once() -> None:
    target = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}
    job = {"spec": {}, "status": {"conditions": [target]}}
    assert ended([], job) == Category.DEADLINE


def test_a_complete_job_without_a_report_is_no_verdict_after_a_while() -> None:
    def complete(seconds: float) -> Json:
        condition = {"type": "Complete", "status": "True", "lastTransitionTime": ago(seconds)}
        return {"spec": {}, "status": {"conditions": [condition]}}

    assert ended([pod()], complete(29)) is None
    assert ended([pod()], complete(31)) == Category.NO_VERDICT


def test_nothing_that_is_read_is_ever_a_pass() -> None:
    succeeded = pod(
        phase="Succeeded", containerStatuses=[container("test", terminated={"exitCode": 0})]
    )
    assert ended([succeeded]) is None
