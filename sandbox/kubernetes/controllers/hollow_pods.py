"""The status of a pod on a hollow node: as if its containers ran, or could not be pulled."""

import re
from dataclasses import dataclass

from ..rules.admission import PULL_FAILURE
from ..store import Object, Version
from .conditions import set_condition

# Pulls are tried at these seconds; in between the kubelet backs off.
_PULLS = (0, 14, 41, 93)
_PULL_TAKES = 2.0
_MESSAGES = {
    "not_found": (
        'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}:'
        " not found"
    ),
    "auth": (
        'failed to pull and unpack image "{image}": failed to resolve reference "{image}": pull'
        " access denied, repository does not exist or may require authorization: server message:"
        " insufficient_scope: authorization failed"
    ),
    "network": (
        'failed to pull and unpack image "{image}": failed to resolve reference "{image}": failed'
        " to do request: dial tcp: connect: connection refused"
    ),
}


@dataclass(frozen=True, kw_only=True)
class PullFailure:
    """Of the first container, in the order of their start, whose image cannot be had."""

    container: str
    image: str
    cause: str


def pull_failure(pod: Version) -> PullFailure | None:
    note = (pod.meta.get("annotations") or {}).get(PULL_FAILURE)
    if note is None:
        return None
    cause, _, pattern = note.partition(" ")
    spec = pod.obj["spec"]
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        if re.search(pattern, container["image"]):
            return PullFailure(container=container["name"], image=container["image"], cause=cause)
    return None


def waiting(failure: PullFailure, seconds: float) -> Object:
    """What the container waits for, so long after its first pull."""
    pulling = any(at <= seconds < at + _PULL_TAKES for at in _PULLS)
    message = _MESSAGES[failure.cause].format(image=failure.image)
    if pulling:
        return {"reason": "ErrImagePull", "message": message}
    shown = f'Back-off pulling image "{failure.image}": ErrImagePull: {message}'
    return {"reason": "ImagePullBackOff", "message": shown}


def be_pending(obj: Object, now: str, failure: PullFailure, reason: Object) -> None:
    """Containers before the one that fails have done their work, those after it wait for it."""
    obj["status"] |= {"phase": "Pending", "startTime": now}
    failed = False
    for group in ("initContainers", "containers"):
        statuses = []
        for container in obj["spec"].get(group) or ():
            if container["name"] == failure.container:
                statuses.append(_waiting(container, reason))
                failed = True
            elif failed or group == "containers":
                statuses.append(_waiting(container, {"reason": "PodInitializing"}))
            else:
                statuses.append(_started(container, now))
        if statuses:
            obj["status"][f"{group.removesuffix('s')}Statuses"] = statuses
    _say(obj, "Initialized", failure.container in _names(obj, "containers"), now)
    _say(obj, "ContainersReady", False, now)
    _say(obj, "Ready", False, now)


def be_running(obj: Object, now: str) -> None:
    spec = obj["spec"]
    obj["status"] |= {"phase": "Running", "startTime": now, "podIP": "127.0.0.1"}
    for kind in ("Initialized", "ContainersReady", "Ready"):
        _say(obj, kind, True, now)
    obj["status"]["containerStatuses"] = [_running(c, now) for c in spec["containers"]]
    if spec.get("initContainers"):
        started = [_started(container, now) for container in spec["initContainers"]]
        obj["status"]["initContainerStatuses"] = started


def _names(obj: Object, group: str) -> list[str]:
    return [container["name"] for container in obj["spec"].get(group) or ()]


def _say(obj: Object, kind: str, yes: bool, now: str) -> None:
    condition = {
        "type": kind,
        "status": "True" if yes else "False",
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }
    set_condition(obj, condition)


def _container(container: Object, state: Object) -> Object:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "restartCount": 0,
        "lastState": {},
        "state": state,
    }


def _waiting(container: Object, reason: Object) -> Object:
    whole = _container(container, {"waiting": reason})
    return {**whole, "ready": False, "started": False}


def _started(container: Object, now: str) -> Object:
    """An init container that is through, or a sidecar that runs."""
    if container.get("restartPolicy") == "Always":
        return _running(container, now)
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}
    whole = _container(container, {"terminated": ended})
    return {**whole, "ready": True, "started": False}


def _running(container: Object, now: str) -> Object:
    whole = _container(container, {"running": {"startedAt": now}})
    return {**whole, "ready": True, "started": True}
