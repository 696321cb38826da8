"""The status of a Job: counting pods, and the conditions on the way to its end."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from ..clock import parse_time
from ..store import Object, Version


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a Job ends. The interim condition comes at once, the final one when no pod is left."""

    interim: str
    final: str
    reason: str
    message: str
    event: tuple[str, str]

    @property
    def failed(self) -> bool:
        return self.final == "Failed"


def _failed(reason: str, message: str) -> Ending:
    event = (reason, message)
    return Ending(
        interim="FailureTarget", final="Failed", reason=reason, message=message, event=event
    )


BACKOFF_LIMIT = _failed("BackoffLimitExceeded", "Job has reached the specified backoff limit")
DEADLINE = _failed("DeadlineExceeded", "Job was active longer than specified deadline")
COMPLETE = Ending(
    interim="SuccessCriteriaMet",
    final="Complete",
    reason="CompletionsReached",
    message="Reached expected number of succeeded pods",
    event=("Completed", "Job completed"),
)


def has_ended(pod: Version) -> bool:
    return pod.obj["status"].get("phase") in ("Succeeded", "Failed")


def is_ready(pod: Version) -> bool:
    conditions = pod.obj["status"].get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def is_counted(pod: Version) -> bool:
    """One that is being deleted counts as failed, since it may never get to say so."""
    return has_ended(pod) or bool(pod.meta.get("deletionTimestamp"))


def ended_at(pod: Version, now: float) -> float:
    """The moment from which a replacement is held back; that of the last container's end."""
    statuses = pod.obj["status"].get("containerStatuses") or ()
    ends = [
        parse_time(status["state"]["terminated"]["finishedAt"])
        for status in statuses
        if status.get("state", {}).get("terminated", {}).get("finishedAt")
    ]
    created = parse_time(pod.meta["creationTimestamp"])
    return max(ends, default=created) if is_counted(pod) else created


def finished_count(status: Object, pods: Iterable[Version], *, succeeded: bool) -> int:
    """Pods that succeeded (or failed): those counted for good, and those to be counted."""
    field = "succeeded" if succeeded else "failed"
    uncounted = (status.get("uncountedTerminatedPods") or {}).get(field) or []
    fresh = [
        pod
        for pod in pods
        if "batch.kubernetes.io/job-tracking" in (pod.meta.get("finalizers") or ())
        and pod.uid not in uncounted
        and is_counted(pod)
        and (pod.obj["status"].get("phase") == "Succeeded") is succeeded
    ]
    return int(status.get(field, 0)) + len(uncounted) + len(fresh)


def is_finished(status: Object) -> bool:
    return any(_true(condition, "Complete", "Failed") for condition in _conditions(status))


def ending_of(status: Object) -> Ending | None:
    """The ending that a Job has been set on in an earlier pass."""
    for condition in _conditions(status):
        if _true(condition, "SuccessCriteriaMet"):
            return COMPLETE
        if _true(condition, "FailureTarget"):
            return DEADLINE if condition["reason"] == DEADLINE.reason else BACKOFF_LIMIT
    return None


def _conditions(status: Object) -> list[Object]:
    conditions: list[Object] = status.get("conditions") or []
    return conditions


def _true(condition: Object, *types: str) -> bool:
    return condition["type"] in types and condition["status"] == "True"


def add_condition(status: Object, kind: str, ending: Ending, now: str) -> None:
    if any(condition["type"] == kind for condition in _conditions(status)):
        return
    status.setdefault("conditions", []).append(
        _condition(kind, "True", ending.reason, ending.message, now)
    )


def _condition(kind: str, value: str, reason: str, message: str, now: str) -> Object:
    return {
        "type": kind,
        "status": value,
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def set_suspended(status: Object, suspended: bool, now: str) -> bool:
    """Whether this changes anything. A Job that never was suspended does not say that it is not."""
    value = "True" if suspended else "False"
    word = "suspended" if suspended else "resumed"
    reason, message = f"Job{word.capitalize()}", f"Job {word}"
    known = next((c for c in _conditions(status) if c["type"] == "Suspended"), None)
    if known is None and not suspended:
        return False
    if known is None:
        status.setdefault("conditions", []).append(
            _condition("Suspended", value, reason, message, now)
        )
        return True
    if known["status"] == value:
        return False
    known.update(_condition("Suspended", value, reason, message, now))
    return True


def add_uncounted(status: Object, pods: Iterable[Version], *, failing: bool) -> None:
    """`failing`: the Job fails, and every pod that did not succeed with it."""
    uncounted = status.setdefault("uncountedTerminatedPods", {})
    for pod in pods:
        succeeded = pod.obj["status"].get("phase") == "Succeeded"
        if not succeeded and not failing and not is_counted(pod):
            continue
        uids = uncounted.setdefault("succeeded" if succeeded else "failed", [])
        if pod.uid not in uids:
            uids.append(pod.uid)


def count_uncounted(status: Object) -> None:
    """Their finalizers are gone: from here on they are a number."""
    uncounted = status.get("uncountedTerminatedPods") or {}
    for field in ("succeeded", "failed"):
        uids = uncounted.pop(field, None)
        if uids:
            status[field] = int(status.get(field, 0)) + len(uids)
    status["uncountedTerminatedPods"] = {}


def copied(obj: Object) -> Object:
    fresh: Object = json.loads(json.dumps(obj))
    return fresh
