"""Reads what a Job and its pods show, and says how that attempt ended, or why it waits. Pure.

`job.status` tells no causes apart, so the answer comes from container statuses and pod
conditions; a verdict never does: that is the agent's report alone. Waiting reasons get grace,
because pulling an image, scheduling and the autoscaler take their time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dispatch.outcomes import Category
from kube.causes import builder_end, pull_end
from kube.names import BUILDER, CLONE, OURS, TEST, TOOLS

Json = dict[str, Any]

PULLING = frozenset({"ErrImagePull", "ImagePullBackOff"})
WRONG_CONFIG = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "InvalidImageName", "RunContainerError"}
)
DISRUPTIONS = {
    "PreemptionByScheduler": Category.PREEMPTED,
    "EvictionByEvictionAPI": Category.EVICTED,
    "TerminationByKubelet": Category.EVICTED,
    "DeletionByTaintManager": Category.NODE_LOST,
    "DeletionByPodGC": Category.NODE_LOST,
}


@dataclass(frozen=True, kw_only=True)
class Grace:
    """Seconds for which a waiting reason is only that. `reported` is how long a Job that is over
    may go without the agent's report."""

    pull: float = 60
    no_pod: float = 30
    unschedulable: float = 300
    config: float = 15
    reported: float = 30
    crashes: int = 3


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How an attempt stands. Neither `ended` nor `pending`: it runs."""

    ended: Category | None = None
    detail: str = ""
    pending: str = ""


RUNS = Reading()


def read(
    job: Json, pods: Sequence[Json], events: Sequence[Json], now: datetime, grace: Grace
) -> Reading:
    """The reading of one Job with its pods and the events about it, as the API shows them."""
    for pod in pods:
        found = _read_pod(pod, now, grace)
        if found != RUNS:
            return found
    return _read_job(job, pods, events, now, grace)


def _read_pod(pod: Json, now: datetime, grace: Grace) -> Reading:
    for look in (_disrupted, _containers_ended, _containers_wait, _unscheduled):
        found = look(pod, now, grace)
        if found:
            return found
    return RUNS


def _disrupted(pod: Json, now: datetime, grace: Grace) -> Reading | None:
    status = pod.get("status", {})
    message = str(status.get("message") or "")
    if status.get("reason") == "Evicted":
        full = "ephemeral" in message or "emptyDir" in message or "disk" in message.lower()
        return Reading(ended=Category.DISK_FULL if full else Category.EVICTED, detail=message)
    target = _condition(status, "DisruptionTarget")
    if target and target.get("reason") in DISRUPTIONS:
        return Reading(ended=DISRUPTIONS[target["reason"]], detail=str(target.get("message", "")))
    if status.get("reason") == "NodeLost":
        return Reading(ended=Category.NODE_LOST, detail=message)
    return None


def _containers_ended(pod: Json, now: datetime, grace: Grace) -> Reading | None:
    for container in _containers(pod):
        ended = container.get("state", {}).get("terminated")
        if ended and (ended.get("exitCode") or ended.get("reason") == "OOMKilled"):
            found = _container_ended(container, ended)
            if found:
                return found
    return None


def _container_ended(container: Json, ended: Json) -> Reading | None:
    """A sidecar that ended is started again; only what ends for good counts here."""
    name = container["name"]
    message = str(ended.get("message") or "").strip()
    if ended.get("reason") == "OOMKilled" and name in (BUILDER, TEST):
        category = Category.BUILD_OOM if name == BUILDER else Category.TEST_OOM
        return Reading(ended=category, detail=f"{name} was killed for using too much memory")
    if ended.get("reason") in ("StartError", "ContainerCannotRun"):
        return Reading(ended=Category.CONFIG_ERROR, detail=f"{name}: {message}")
    if name == BUILDER:
        category, detail = builder_end(message)
        return Reading(ended=category, detail=detail)
    if name in (CLONE, TOOLS):
        detail = message or f"{name} ended with exit code {ended.get('exitCode')}"
        return Reading(ended=Category.NO_VERDICT, detail=detail)
    return None


def _containers_wait(pod: Json, now: datetime, grace: Grace) -> Reading | None:
    for container in _containers(pod):
        waiting = container.get("state", {}).get("waiting") or {}
        reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
        since = _pod_began(pod, now)
        if reason in PULLING:
            return _pulling(container["name"], message, now - since, grace)
        if reason in WRONG_CONFIG:
            detail = f"{container['name']}: {reason} {message}".strip()
            late = now - since > timedelta(seconds=grace.config)
            return _waits(late, Category.CONFIG_ERROR, detail)
        if _keeps_crashing(container, reason, grace):
            detail = f"The service {container['name']} keeps crashing: {_last_words(container)}"
            return Reading(ended=Category.SERVICE_FAILED, detail=detail)
    return None


def _keeps_crashing(container: Json, reason: str, grace: Grace) -> bool:
    crashed = int(container.get("restartCount") or 0) >= grace.crashes
    return container["name"] not in OURS and reason == "CrashLoopBackOff" and crashed


def _last_words(container: Json) -> str:
    last = container.get("lastState", {}).get("terminated") or {}
    words = str(last.get("message") or last.get("reason") or "").strip()
    return f"exit code {last.get('exitCode', 'unknown')} {words}".strip()


def _pulling(name: str, message: str, waited: timedelta, grace: Grace) -> Reading:
    category = pull_end(message)
    if name not in OURS and category == Category.IMAGE_PULL_NOT_FOUND:
        category = Category.SERVICE_FAILED
        message = f"The image of the service {name} is not found: {message}"
    late = waited > timedelta(seconds=grace.pull)
    return _waits(late, category, f"{name}: {message}" if name in OURS else message)


def _unscheduled(pod: Json, now: datetime, grace: Grace) -> Reading | None:
    scheduled = _condition(pod.get("status", {}), "PodScheduled")
    if not scheduled or scheduled.get("status") != "False":
        return None
    since = parse_time(scheduled.get("lastTransitionTime")) or _pod_began(pod, now)
    late = now - since > timedelta(seconds=grace.unschedulable)
    return _waits(late, Category.UNSCHEDULABLE, str(scheduled.get("message") or "no room"))


def _waits(late: bool, category: Category, detail: str) -> Reading:
    return Reading(ended=category, detail=detail) if late else Reading(pending=detail)


def _read_job(
    job: Json, pods: Sequence[Json], events: Sequence[Json], now: datetime, grace: Grace
) -> Reading:
    status = job.get("status", {})
    failed = _condition(status, "FailureTarget") or _condition(status, "Failed")
    if failed:
        deadline = failed.get("reason") == "DeadlineExceeded"
        category = Category.DEADLINE if deadline else Category.UNKNOWN
        return Reading(ended=category, detail=str(failed.get("message") or ""))
    complete = _condition(status, "Complete")
    if complete:
        since = parse_time(complete.get("lastTransitionTime")) or now
        late = now - since > timedelta(seconds=grace.reported)
        return _waits(late, Category.NO_VERDICT, "the Job is complete without a report")
    if pods or job.get("spec", {}).get("suspend"):
        return RUNS
    return _without_pod(job, events, now, grace)


def _without_pod(job: Json, events: Sequence[Json], now: datetime, grace: Grace) -> Reading:
    refusals = [event for event in events if event.get("reason") == "FailedCreate"]
    message = str(refusals[-1].get("message") or "") if refusals else "no pod yet"
    since = parse_time(job.get("status", {}).get("startTime")) or now
    late = now - since > timedelta(seconds=grace.no_pod)
    category = Category.QUOTA if "exceeded quota" in message else Category.POD_REFUSED
    return _waits(late, category, message)


def _containers(pod: Json) -> Iterator[Json]:
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def _condition(status: Json, kind: str) -> Json | None:
    """The condition of this type; one that is False counts for PodScheduled alone."""
    for condition in status.get("conditions") or []:
        if condition.get("type") == kind and (
            condition.get("status") == "True" or kind == "PodScheduled"
        ):
            found: Json = condition
            return found
    return None


def _pod_began(pod: Json, now: datetime) -> datetime:
    status, metadata = pod.get("status", {}), pod.get("metadata", {})
    return (
        parse_time(status.get("startTime")) or parse_time(metadata.get("creationTimestamp")) or now
    )


def parse_time(text: Any) -> datetime | None:
    """RFC 3339, as Kubernetes writes it."""
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None
    except ValueError:
        return None
