"""What the API server is told of a pod: phase, conditions, container statuses. Pure.

Source: `getPhase`, `convertStatusToAPIStatus` and pkg/kubelet/status of Kubernetes 1.34.
"""

from typing import Any

from sandbox.kubernetes.clock import iso

from .record import ContainerRecord, PodRecord, Run
from .spec import ContainerSpec, Json, PodSpec

LAST_PHASES = ("Succeeded", "Failed")
_NEVER_FOUND = Run(
    number=0,
    exit_code=137,
    reason="ContainerStatusUnknown",
    message="The container could not be located when the pod was terminated",
)


def pod_status(pod: PodSpec, record: PodRecord, before: Json, host_ip: str, now: float) -> Json:
    """`before` is the status as the API server has it: what others wrote there stays. A phase that
    is the last one is never left again."""
    phase = before["phase"] if before.get("phase") in LAST_PHASES else phase_of(pod, record)
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": _conditions(pod, record, phase, before, now),
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "initContainerStatuses": [_container(pod, record, c) for c in pod.init],
        "containerStatuses": [_container(pod, record, c) for c in pod.main],
        "qosClass": before.get("qosClass") or qos_class(pod),
    }
    if record.started_at is not None:
        status["startTime"] = iso(record.started_at)
    if record.mounted:
        status |= {"podIP": record.ip, "podIPs": [{"ip": record.ip}]}
    if record.ending and record.ending.reason:
        status |= {"reason": record.ending.reason, "message": record.ending.message}
    return {key: value for key, value in status.items() if value not in ([], None, "")}


def told(pod: PodSpec, record: PodRecord, host_ip: str) -> bool:
    """Whether the API server's version says what is true. Somebody else may have written there,
    as when the node was taken for lost."""
    there = pod.raw.get("status") or {}
    ours = pod_status(pod, record, there, host_ip, 0)
    return _gist(there) == _gist(ours)


def _gist(status: Json) -> tuple[Any, ...]:
    conditions = ((c["type"], c["status"]) for c in status.get("conditions") or [])
    return status.get("phase"), sorted(conditions)


def phase_of(pod: PodSpec, record: PodRecord) -> str:
    """A pod has come to its end only when every container of it has stopped."""
    if record.over:
        return "Succeeded" if _succeeded(pod, record) else "Failed"
    if record.initialized_at is None:
        return "Pending"
    if all(_has_run(record.of(c.name)) for c in pod.main):
        return "Running"
    return "Pending"


def _has_run(container: ContainerRecord) -> bool:
    """It runs, or has run."""
    return container.last is not None or bool(container.run and container.run.started_at)


def _succeeded(pod: PodSpec, record: PodRecord) -> bool:
    if record.ending and record.ending.reason:
        return False
    runs = [record.of(c.name).run for c in pod.main]
    return bool(runs) and all(run is not None and run.exit_code == 0 for run in runs)


def qos_class(pod: PodSpec) -> str:
    amounts = [c.raw.get("resources") or {} for c in pod.containers]
    if not any(found.get("limits") or found.get("requests") for found in amounts):
        return "BestEffort"
    for found in amounts:
        limits = found.get("limits") or {}
        requests = {**limits, **(found.get("requests") or {})}
        if any(name not in limits or requests[name] != limits[name] for name in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"


def _conditions(
    pod: PodSpec, record: PodRecord, phase: str, before: Json, now: float
) -> list[Json]:
    known = {entry["type"]: entry for entry in before.get("conditions") or []}
    wanted = _own_conditions(pod, record, phase)
    if record.ending and record.ending.why == "evicted":
        wanted["DisruptionTarget"] = {
            "status": "True",
            "reason": "TerminationByKubelet",
            "message": record.ending.message,
        }
    for kind, condition in wanted.items():
        old = known.get(kind) or {}
        same = old.get("status") == condition["status"]
        known[kind] = {
            "type": kind,
            "lastProbeTime": None,
            "lastTransitionTime": old.get("lastTransitionTime") if same else iso(now),
            **condition,
        }
    return [{k: v for k, v in entry.items() if v is not None} for entry in known.values()]


def _own_conditions(pod: PodSpec, record: PodRecord, phase: str) -> dict[str, Json]:
    unready = [c.name for c in pod.containers if c.kind != "init" and not _ready(record, c)]
    ready: Json = {"status": "True"}
    if phase in LAST_PHASES:
        ready = {"status": "False", "reason": f"Pod{_PAST[phase]}"}
    elif unready:
        message = f"containers with unready status: [{' '.join(unready)}]"
        ready = {"status": "False", "reason": "ContainersNotReady", "message": message}
    sandbox = record.mounted and not record.over
    return {
        "PodReadyToStartContainers": {"status": "True" if sandbox else "False"},
        "Initialized": _initialized(pod, record, phase),
        "Ready": ready,
        "ContainersReady": ready,
    }


_PAST = {"Succeeded": "Completed", "Failed": "Failed"}


def _initialized(pod: PodSpec, record: PodRecord, phase: str) -> Json:
    if phase == "Succeeded":
        return {"status": "True", "reason": "PodCompleted"}
    if record.initialized_at is not None:
        return {"status": "True"}
    names = [c.name for c in pod.init if not record.of(c.name).passed]
    message = f"containers with incomplete status: [{' '.join(names)}]"
    return {"status": "False", "reason": "ContainersNotInitialized", "message": message}


def _ready(record: PodRecord, container: ContainerSpec) -> bool:
    found = record.of(container.name)
    return found.running and found.run is not None and found.run.ready


def _container(pod: PodSpec, record: PodRecord, container: ContainerSpec) -> Json:
    found = record.of(container.name)
    run = found.run or Run(number=0)
    last = None if _shows_its_end(pod, found) else found.last
    done = container.kind == "init" and run.exit_code == 0
    mounts = (
        {"name": m["name"], "mountPath": m["mountPath"], "readOnly": bool(m.get("readOnly"))}
        for m in container.raw.get("volumeMounts") or []
    )
    status: Json = {
        "name": container.name,
        "state": _state(pod, record, found, container.kind),
        "lastState": {"terminated": _terminated(last)} if last else {},
        "ready": done or _ready(record, container),
        "restartCount": found.restarts,
        "image": run.image or container.image,
        "imageID": run.image_id,
        "started": found.running and run.started,
        "volumeMounts": list(mounts),
        "resources": container.raw.get("resources") or {},
    }
    if run.id:
        status["containerID"] = run.id
    return {key: value for key, value in status.items() if value not in ([], None)}


def _state(pod: PodSpec, record: PodRecord, found: ContainerRecord, kind: str) -> Json:
    run = found.run or (found.last if record.over or _shows_its_end(pod, found) else None)
    if found.running and run and run.started_at:
        return {"running": {"startedAt": iso(run.started_at)}}
    if run and run.over:
        return {"terminated": _terminated(run)}
    if record.over and kind == "main" and record.initialized_at is not None:
        return {"terminated": _terminated(_NEVER_FOUND)}
    if found.waiting and not record.over:
        return {"waiting": _filled(reason=found.waiting[0], message=found.waiting[1])}
    return {"waiting": {"reason": "PodInitializing" if pod.init else "ContainerCreating"}}


def _shows_its_end(pod: PodSpec, found: ContainerRecord) -> bool:
    """A kubelet asks the pod's own policy whether a container is started again, so that of a
    sidecar which waits for its next run it shows how the one before ended, unlike of others."""
    return pod.policy == "Never" and found.run is None and found.last is not None


def _terminated(run: Run) -> Json:
    return {
        "exitCode": run.exit_code or 0,
        **_filled(reason=run.reason, message=run.message, containerID=run.id),
        "startedAt": iso(run.started_at or 0),
        "finishedAt": iso(run.finished_at or 0),
    }


def _filled(**entries: str) -> Json:
    return {key: value for key, value in entries.items() if value}
