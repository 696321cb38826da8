"""Jobs, pods and events as the API shows them, whole. Times are seconds before `NOW`."""

from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
UID = "0f0f0f0f-1111-4222-8333-444444444444"
PROBE = {"exec": {"command": ["pg_isready"]}, "periodSeconds": 2, "failureThreshold": 90}
BUILT, OURS, BUILDER = "reg.example.com/acme:a1", "reg.example.com/agent:1", "kaniko:debug"
# In starting order.
INITS: tuple[Json, ...] = (
    {"name": "tools", "image": OURS},
    {"name": "agent", "image": OURS, "restartPolicy": "Always"},
    {"name": "clone", "image": OURS},
    {"name": "kaniko", "image": BUILDER},
    {"name": "seed-db", "image": "postgres:16"},
    {"name": "db", "image": "postgres:16", "restartPolicy": "Always", "startupProbe": PROBE},
    {"name": "redis", "image": "redis:7", "restartPolicy": "Always"},
    {"name": "worker", "image": BUILT, "restartPolicy": "Always"},
    {"name": "migrate", "image": "acme/migrate"},
    {"name": "seed-test", "image": BUILT},
)
TEST: Json = {"name": "test", "image": BUILT}
NAMES = [item["name"] for item in (*INITS, TEST)]


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def job(*conditions: Json, started: float = 100, **status: Any) -> Json:
    return {
        "metadata": {"name": "task-1-a1", "uid": "job-uid", "creationTimestamp": ago(started)},
        "spec": {"suspend": False},
        "status": {"startTime": ago(started), "conditions": list(conditions)} | status,
    }


def condition(kind: str, *, value: str = "True", at: float = 0, **facts: Any) -> Json:
    return {"type": kind, "status": value, "lastTransitionTime": ago(at)} | facts


def container(name: str, *, restarts: int = 0, last: Json | None = None, **state: Any) -> Json:
    found: Json = {"name": name, "state": state, "restartCount": restarts, "lastState": {}}
    if last:
        found["lastState"] = {"terminated": last}
    if "running" in state:
        found["started"] = state["running"].pop("started", True)
    return found


def running(at: float = 10, *, started: bool = True) -> Json:
    return {"running": {"startedAt": ago(at), "started": started}}


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def terminated(code: int, *, at: float = 5, lasted: float = 1, **facts: Any) -> Json:
    reason = "Completed" if code == 0 else "Error"
    times = {"startedAt": ago(at + lasted), "finishedAt": ago(at)}
    return {"terminated": {"exitCode": code, "reason": reason} | times | facts}


def pod(*statuses: Json, age: float = 100, conditions: tuple[Json, ...] = (), **more: Any) -> Json:
    """These containers are as given. Those before the first of them have done their part, 90 s ago
    all of them, and those behind have not begun."""
    given = {status["name"]: status for status in statuses}
    first = min((NAMES.index(name) for name in given), default=len(NAMES))
    found = [
        given.get(name) or (_done(name) if place < first else container(name, **_not_begun()))
        for place, name in enumerate(NAMES)
    ]
    usual = {"PodScheduled": age, "PodReadyToStartContainers": age}
    told = {item["type"] for item in conditions}
    every = [condition(kind, at=at) for kind, at in usual.items() if kind not in told]
    metadata: Json = {"name": "task-1-a1-x7k2p", "uid": UID, "creationTimestamp": ago(age)}
    metadata |= more.pop("metadata", {})
    status: Json = {
        "phase": "Pending",
        "startTime": ago(age),
        "conditions": [*every, *conditions],
        "initContainerStatuses": found[:-1],
        "containerStatuses": found[-1:],
    }
    spec: Json = {"nodeName": "node-1", "initContainers": list(INITS), "containers": [TEST]}
    return {"metadata": metadata, "spec": spec, "status": status | more}


def _done(name: str) -> Json:
    spec = next(item for item in (*INITS, TEST) if item["name"] == name)
    if spec.get("restartPolicy") or name == "test":
        return container(name, **running(90))
    return container(name, **terminated(0, at=90))


def _not_begun() -> Json:
    return waiting("PodInitializing")


def without_node(*conditions: Json, age: float = 100) -> Json:
    """A pod that no node was chosen for."""
    found = pod(age=age, conditions=conditions)
    del found["spec"]["nodeName"], found["status"]["startTime"]
    del found["status"]["initContainerStatuses"], found["status"]["containerStatuses"]
    found["status"]["conditions"] = list(conditions)
    return found


def agentless(found: Json) -> Json:
    """The same pod when the agent has gone."""
    ended = container("agent", **terminated(0, at=1))
    statuses = found["status"]["initContainerStatuses"]
    found["status"]["initContainerStatuses"] = [
        ended if item["name"] == "agent" else item for item in statuses
    ]
    return found


def event(reason: str, message: str, *, of: str = "", first: float = 0, last: float = 0) -> Json:
    """About the pod, or about one of its containers."""
    path = f"spec.containers{{{of}}}" if of == "test" else f"spec.initContainers{{{of}}}"
    involved = {"kind": "Pod", "uid": UID} | ({"fieldPath": path} if of else {})
    return {
        "involvedObject": involved,
        "reason": reason,
        "message": message,
        "firstTimestamp": ago(max(first, last)),
        "lastTimestamp": ago(last),
    }


def job_event(reason: str, message: str, last: float = 0) -> Json:
    found = event(reason, message, last=last)
    return found | {"involvedObject": {"kind": "Job", "uid": "job-uid"}}
