"""What a Job and its pods show is read as one cause, and waiting gets its grace."""

from datetime import timedelta
from typing import Any

import pytest

from dispatch.outcomes import Category
from kube.reading import RUNS, Grace, Known, Reading
from kube.status import had_pod, read
from tests.kube.pods import (
    NOW,
    agentless,
    ago,
    condition,
    container,
    event,
    job,
    job_event,
    pod,
    running,
    terminated,
    without_node,
)

GRACE = Grace()

Json = dict[str, Any]


def reading(
    *pods: Json, of: Json | None = None, events: tuple[Json, ...] = (), **known: Any
) -> Reading:
    return read(of or job(), pods, events, NOW, GRACE, Known(**known))


def ended(*pods: Json, **more: Any) -> Category | None:
    return reading(*pods, **more).ended


def test_a_pod_that_runs_says_nothing() -> None:
    assert reading(pod(phase="Running")) == RUNS


def test_nothing_that_is_read_is_ever_a_pass() -> None:
    over = pod(container("test", **terminated(0)), phase="Succeeded")
    assert ended(over) is None
    assert ended(agentless(over)) is None


# Disruptions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason,message,category",
    [
        ("Evicted", "The node was low on resource: memory.", "evicted"),
        ("Evicted", "Pod ephemeral local storage usage exceeds the total limit", "disk_full"),
        ("NodeLost", "", "node_lost"),
        ("NodeShutdown", "Pod was rejected as the node is shutting down.", "node_lost"),
        ("OutOfcpu", "Node didn't have enough resource: cpu", "unschedulable"),
        ("NodeAffinity", "Predicate NodeAffinity failed", "unschedulable"),
        ("UnexpectedAdmissionError", "Allocate failed", "config_error"),
        ("Preempting", "Preempted in order to admit critical pod", "preempted"),
    ],
)
def test_a_pod_that_a_node_does_not_keep_says_why(reason: str, message: str, category: str) -> None:
    found = reading(pod(phase="Failed", reason=reason, message=message))
    assert (found.ended, message in found.detail) == (category, True)


@pytest.mark.parametrize(
    "reason,category",
    [
        ("PreemptionByScheduler", "preempted"),
        ("EvictionByEvictionAPI", "evicted"),
        ("TerminationByKubelet", "evicted"),
    ],
)
def test_a_disruption_waits_for_what_the_agent_may_have_under_way(
    reason: str, category: str
) -> None:
    def disrupted(seconds: float) -> Json:
        return pod(conditions=(condition("DisruptionTarget", reason=reason, at=seconds),))

    assert ended(disrupted(29)) is None
    assert reading(disrupted(29)).pending
    assert ended(disrupted(31)) == category
    assert ended(agentless(disrupted(1))) == category


@pytest.mark.parametrize("reason", ["DeletionByTaintManager", "DeletionByPodGC"])
def test_a_lost_node_has_had_its_time(reason: str) -> None:
    lost = condition("DisruptionTarget", reason=reason)
    assert ended(pod(conditions=(lost,))) == Category.NODE_LOST


def test_a_pod_that_somebody_deletes_has_the_grace_that_it_was_given() -> None:
    def deleted(seconds: float) -> Json:
        return pod(metadata={"deletionTimestamp": ago(seconds)})

    assert ended(deleted(-1)) is None
    assert ended(deleted(1)) == Category.UNKNOWN
    assert ended(agentless(deleted(-20))) == Category.UNKNOWN


def test_containers_that_end_with_a_deleted_pod_are_not_the_cause() -> None:
    killed = container("kaniko", **terminated(143, message="failed to execute command: exit 143"))
    assert ended(agentless(pod(killed, metadata={"deletionTimestamp": ago(1)}))) == "unknown"


# Room and set-up ------------------------------------------------------------------------------


def unschedulable(seconds: float) -> Json:
    text = "0/3 nodes are available: 3 Insufficient cpu."
    refusal = condition(
        "PodScheduled", value="False", at=seconds, reason="Unschedulable", message=text
    )
    return without_node(refusal, age=seconds)


def test_waiting_for_room_has_its_grace_and_says_what_is_missing() -> None:
    young = reading(unschedulable(299))
    assert young.ended is None and "Insufficient cpu" in young.pending
    assert ended(unschedulable(301)) == Category.UNSCHEDULABLE


@pytest.mark.parametrize("asked,category", [(500, None), (601, "unschedulable")])
def test_waiting_for_the_autoscaler_is_not_being_stuck(asked: float, category: str | None) -> None:
    text = "pod triggered scale-up: [{workers 2->3 (max: 10)}]"
    told = event("TriggeredScaleUp", text, last=asked)
    found = reading(unschedulable(700), events=(told,))
    assert found.ended == category


def test_what_always_takes_a_moment_is_not_worth_a_word() -> None:
    fresh = pod(container("tools", waiting={"reason": "PodInitializing"}), age=1)
    not_yet = condition("PodReadyToStartContainers", value="False", at=1)
    fresh["status"]["conditions"] = [condition("PodScheduled", at=1), not_yet]
    since = NOW - timedelta(seconds=1)
    assert reading(fresh) == reading(without_node(age=1)) == reading(of=job(started=1)) == RUNS
    assert reading(of=job(active=1), pod_missing_since=since) == RUNS
    assert reading(without_node(age=4)).pending and reading(of=job(started=4)).pending


def test_an_autoscaler_that_does_not_help_changes_nothing() -> None:
    told = event("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached")
    assert ended(unschedulable(301), events=(told,)) == Category.UNSCHEDULABLE


def test_a_scheduler_that_says_nothing_is_waited_for_as_long() -> None:
    assert ended(without_node(age=299)) is None
    assert ended(without_node(age=301)) == Category.UNSCHEDULABLE


@pytest.mark.parametrize("seconds,category", [(119, None), (121, "config_error")])
def test_a_node_that_cannot_set_the_pod_up_is_told_by_its_events(
    seconds: float, category: str | None
) -> None:
    not_yet = condition("PodReadyToStartContainers", value="False", at=seconds)
    fresh = pod(container("tools", waiting={"reason": "PodInitializing"}), age=seconds)
    fresh["status"]["conditions"] = [condition("PodScheduled", at=seconds), not_yet]
    told = event("FailedMount", 'MountVolume.SetUp failed: secret "task-1-a1" not found')
    found = reading(fresh, events=(told,))
    assert found.ended == category
    assert "not found" in (found.detail or found.pending)


# The Job --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message,category",
    [
        ("pods x is forbidden: exceeded quota: small", "quota"),
        ("violates PodSecurity baseline", "pod_refused"),
    ],
)
def test_a_job_without_a_pod_is_explained_by_its_last_event(message: str, category: str) -> None:
    events = (job_event("FailedCreate", message, 3), job_event("FailedCreate", "Timeout", 20))
    assert ended(of=job(started=29), events=events) is None
    found = reading(of=job(started=31), events=events)
    assert (found.ended, found.detail) == (category, message)


def test_a_job_that_no_controller_looks_at_does_not_wait_for_ever() -> None:
    ignored = job()
    ignored["status"] = {}
    known = {"placed_at": NOW - timedelta(seconds=31)}
    assert ended(of=ignored, **known) == Category.POD_REFUSED


@pytest.mark.parametrize("seconds,category", [(29, None), (31, "unknown")])
def test_a_pod_that_vanished_is_waited_for_and_then_given_up(
    seconds: float, category: str | None
) -> None:
    since = NOW - timedelta(seconds=seconds)
    found = reading(of=job(started=5000, active=1), pod_missing_since=since)
    assert found.ended == category
    assert "vanished" in found.detail + found.pending


def test_a_failed_job_without_its_pod_says_that_it_vanished() -> None:
    failed = condition("FailureTarget", reason="BackoffLimitExceeded", message="Job has failed")
    found = reading(of=job(failed, failed=1))
    assert found.ended == Category.UNKNOWN and "vanished" in found.detail


def test_a_failed_job_whose_agent_still_speaks_is_given_the_time_to() -> None:
    def failed(seconds: float) -> Json:
        return job(condition("FailureTarget", reason="BackoffLimitExceeded", at=seconds))

    assert ended(pod(phase="Running"), of=failed(29)) is None
    assert ended(pod(phase="Running"), of=failed(31)) == Category.UNKNOWN


@pytest.mark.parametrize(
    "status,known",
    [
        ({"active": 1}, True),
        ({"failed": 1}, True),
        ({"terminating": 1}, True),
        ({"uncountedTerminatedPods": {"failed": ["x"]}}, True),
        ({"uncountedTerminatedPods": {}, "ready": 0, "terminating": 0}, False),
        ({}, False),
    ],
)
def test_a_jobs_status_tells_whether_there_was_a_pod(status: Json, known: bool) -> None:
    assert had_pod(job(**status)) == known


def test_a_job_that_is_being_deleted_and_has_no_pod_any_more_is_over() -> None:
    deleted = job(active=0)
    deleted["metadata"]["deletionTimestamp"] = ago(1)
    assert ended(of=deleted) == Category.UNKNOWN
    assert ended(pod(phase="Running"), of=deleted) is None


def test_a_suspended_job_waits_for_nothing() -> None:
    suspended = job()
    suspended["spec"]["suspend"] = True
    assert reading(of=suspended) == RUNS


def test_the_jobs_deadline_is_told_at_once_and_before_what_it_does_to_the_pod() -> None:
    target = condition("FailureTarget", reason="DeadlineExceeded")
    killed = pod(container("test", **terminated(143)), metadata={"deletionTimestamp": ago(1)})
    assert ended(of=job(target)) == Category.DEADLINE
    assert ended(killed, of=job(target)) == Category.DEADLINE


def test_a_complete_job_without_a_report_is_no_verdict_after_a_while() -> None:
    def complete(seconds: float) -> Json:
        return job(condition("Complete", at=seconds))

    over = agentless(pod(container("test", **terminated(0, at=40)), phase="Succeeded"))
    assert ended(over, of=complete(29)) is None
    assert ended(over, of=complete(31)) == Category.NO_VERDICT


def test_a_sidecar_that_ends_with_its_pod_is_no_failure() -> None:
    services = [container(name, **terminated(143)) for name in ("db", "redis")]
    over = pod(*services, container("test", **terminated(0)), phase="Succeeded")
    assert ended(agentless(over)) is None


def test_a_pod_without_a_status_yet_waits() -> None:
    bare = {"metadata": {"name": "p", "uid": "u", "creationTimestamp": ago(1)}, "spec": {}}
    assert reading(bare).ended is None


def test_running_again_after_a_restart_is_running() -> None:
    again = container("redis", restarts=5, last=terminated(1)["terminated"], **running(1))
    assert reading(pod(again, container("test", **running(1)))).ended is None
