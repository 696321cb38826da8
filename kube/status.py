"""Reads what a Job and its pods show, and says how that attempt ended, or why it waits. Pure.

`job.status` tells no causes apart, so the answer comes from container statuses and pod conditions;
a verdict never does: that is the agent's report alone. Whoever can still report is given the time
to: the agent has the pod's grace for its last words. Waiting reasons get grace, because pulling an
image, scheduling and the autoscaler take their time; each is counted from when that wait began.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from dispatch.outcomes import Category
from kube.causes import disk_is_full
from kube.endings import end_of
from kube.pod import Pod, last_seen, parse_time
from kube.reading import RUNS, Grace, Known, Reading, waits
from kube.starting_up import container_waits, service_fails

Json = dict[str, Any]
Look = Callable[[Pod, Grace], Reading | None]

DISRUPTIONS = {
    "PreemptionByScheduler": Category.PREEMPTED,
    "EvictionByEvictionAPI": Category.EVICTED,
    "TerminationByKubelet": Category.EVICTED,
    "DeletionByTaintManager": Category.NODE_LOST,
    "DeletionByPodGC": Category.NODE_LOST,
}
# What the kubelet says of a pod that it did not take, or does not keep.
REFUSALS = {
    "NodeLost": Category.NODE_LOST,
    "NodeShutdown": Category.NODE_LOST,
    "Terminated": Category.NODE_LOST,
    "Shutdown": Category.NODE_LOST,
    "Preempting": Category.PREEMPTED,
    "NodeAffinity": Category.UNSCHEDULABLE,
    "UnexpectedAdmissionError": Category.CONFIG_ERROR,
}
NOTHING = Known()
# So long everything takes its course, and there is nothing to say about it.
USUAL = timedelta(seconds=3)


def read(
    job: Json,
    pods: Sequence[Json],
    events: Sequence[Json],
    now: datetime,
    grace: Grace,
    known: Known = NOTHING,
) -> Reading:
    """The reading of one Job with its pods and the events about them, as the API shows them. An end
    that is read without events may look different with them: they tell when a wait began."""
    if condition_of(job, "FailureTarget", "Failed", reason="DeadlineExceeded"):
        return Reading(ended=Category.DEADLINE, detail="The Job's deadline is over.")
    seen = [Pod(pod, events, now) for pod in pods]
    for pod in seen:
        found = _read_pod(pod, grace)
        if found:
            return found
    return _read_job(job, seen, events, now, grace, known)


def _read_pod(pod: Pod, grace: Grace) -> Reading | None:
    looks: tuple[Look, ...] = (
        _disrupted,
        _refused,
        _deleted,
        _container_ended,
        _unscheduled,
        _not_set_up,
        container_waits,
        service_fails,
    )
    return next(filter(None, (look(pod, grace) for look in looks)), None)


def _disrupted(pod: Pod, grace: Grace) -> Reading | None:
    """A lost node's agent may speak or not: the time it had was the toleration."""
    message = str(pod.status.get("message") or "")
    if pod.status.get("reason") == "Evicted":
        full = disk_is_full(message)
        category = Category.DISK_FULL if full else Category.EVICTED
        return _after_last_words(pod, pod.since("DisruptionTarget"), category, message, grace)
    target = pod.condition("DisruptionTarget") or {}
    disruption = DISRUPTIONS.get(str(target.get("reason")))
    if disruption is None:
        return None
    detail = str(target.get("message") or "")
    if disruption == Category.NODE_LOST:
        return Reading(ended=disruption, detail=detail)
    return _after_last_words(pod, pod.since("DisruptionTarget"), disruption, detail, grace)


def _refused(pod: Pod, grace: Grace) -> Reading | None:
    reason, message = str(pod.status.get("reason") or ""), str(pod.status.get("message") or "")
    full = Category.UNSCHEDULABLE if reason.startswith("OutOf") else None
    category = REFUSALS.get(reason, full)
    return Reading(ended=category, detail=f"{reason}: {message}") if category else None


def _deleted(pod: Pod, grace: Grace) -> Reading | None:
    """Not by us: whose Assignment is live, its Job is not touched."""
    if pod.deleted_at is None:
        return None
    late = not pod.agent_speaks or pod.now > pod.deleted_at
    return waits(late, Category.UNKNOWN, "Its pod was deleted by somebody else.")


def _container_ended(pod: Pod, grace: Grace) -> Reading | None:
    for container in pod.containers:
        found = end_of(pod, container)
        if found:
            ended_at = parse_time((container.terminated or {}).get("finishedAt"))
            return _after_last_words(pod, ended_at, *found, grace)
    return None


def _after_last_words(
    pod: Pod, since: datetime | None, category: Category, detail: str, grace: Grace
) -> Reading:
    """The end, unless the agent may be about to tell it itself."""
    late = pod.now - (since or pod.began) > timedelta(seconds=max(grace.reported, pod.grace))
    if pod.agent_speaks and not late:
        return Reading(pending=f"The pod ends; the agent's last words are awaited. {detail}")
    return Reading(ended=category, detail=detail)


def _unscheduled(pod: Pod, grace: Grace) -> Reading | None:
    """Waiting for the autoscaler is not being stuck: it says when it has asked for a node."""
    if pod.over or pod.spec.get("nodeName") or pod.condition("PodScheduled"):
        return None
    if any(container.begun for container in pod.containers):
        return None
    refusal = pod.condition("PodScheduled", "False") or {}
    since = parse_time(refusal.get("lastTransitionTime")) or pod.began
    late = pod.now - since > timedelta(seconds=grace.unschedulable)
    detail = str(refusal.get("message") or "No node was chosen for it yet.")
    asked = [last_seen(event) for event in pod.events("TriggeredScaleUp")]
    if any(at and pod.now - at <= timedelta(seconds=grace.scale_up) for at in asked):
        return Reading(pending=f"A node is being added for it: {detail}")
    if not refusal and pod.now - pod.began < USUAL:
        return RUNS
    return waits(late, Category.UNSCHEDULABLE, detail)


def _not_set_up(pod: Pod, grace: Grace) -> Reading | None:
    """Volumes, network: what the node does before the first container."""
    scheduled = pod.since("PodScheduled")
    not_ready = pod.condition("PodReadyToStartContainers", "False")
    begun = any(container.begun for container in pod.containers)
    if pod.over or scheduled is None or not not_ready or begun:
        return None
    late = pod.now - scheduled > timedelta(seconds=grace.set_up)
    told = pod.events("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
    if not told and pod.now - scheduled < USUAL:
        return RUNS
    said = str(told[-1].get("message") or "") if told else "no container can begin yet"
    return waits(late, Category.CONFIG_ERROR, f"Its node sets the pod up: {said}")


def _read_job(
    job: Json,
    pods: Sequence[Pod],
    events: Sequence[Json],
    now: datetime,
    grace: Grace,
    known: Known,
) -> Reading:
    failed = condition_of(job, "FailureTarget", "Failed")
    if failed:
        since = parse_time(failed.get("lastTransitionTime"))
        said = str(failed.get("message") or "")
        detail = said if pods else f"Its pod has vanished. {said}"
        speaking = [pod for pod in pods if pod.agent_speaks]
        if speaking:
            return _after_last_words(speaking[0], since, Category.UNKNOWN, detail, grace)
        return Reading(ended=Category.UNKNOWN, detail=detail.strip())
    complete = condition_of(job, "Complete")
    if complete:
        since = parse_time(complete.get("lastTransitionTime")) or now
        late = now - since > timedelta(seconds=grace.reported)
        return waits(late, Category.NO_VERDICT, "The Job is complete without a report.")
    if job["metadata"].get("deletionTimestamp") and not pods:
        return Reading(ended=Category.UNKNOWN, detail="Its Job is being deleted by somebody else.")
    if pods or job.get("spec", {}).get("suspend"):
        return RUNS
    return _without_pod(job, events, now, grace, known)


def _without_pod(
    job: Json, events: Sequence[Json], now: datetime, grace: Grace, known: Known
) -> Reading:
    limit = timedelta(seconds=grace.no_pod)
    if known.pod_missing_since:
        passed = now - known.pod_missing_since
        if passed < min(USUAL, limit):
            return RUNS
        return waits(passed > limit, Category.UNKNOWN, "Its pod has vanished.")
    refusals = [event for event in events if event.get("reason") == "FailedCreate"]
    refusals.sort(key=lambda event: last_seen(event) or now)
    message = str(refusals[-1].get("message") or "") if refusals else "No pod was made for it yet."
    since = parse_time((job.get("status") or {}).get("startTime")) or known.placed_at or now
    if not refusals and now - since < min(USUAL, limit):
        return RUNS
    category = Category.QUOTA if "exceeded quota" in message else Category.POD_REFUSED
    return waits(now - since > limit, category, message)


def had_pod(job: Json) -> bool:
    """Whether the Job's own status knows of a pod, be it there or not."""
    status = job.get("status") or {}
    uncounted = status.get("uncountedTerminatedPods") or {}
    counted = any(status.get(name) for name in ("active", "ready", "failed", "succeeded"))
    return counted or bool(status.get("terminating")) or any(uncounted.values())


def condition_of(job: Json, *kinds: str, reason: str = "") -> Json | None:
    """The first of these kinds that a Job is in, if that has this reason."""
    found: Json
    for found in (job.get("status") or {}).get("conditions") or []:
        if found.get("type") in kinds and found.get("status") == "True":
            return found if reason in ("", found.get("reason")) else None
    return None
