"""What a kubelet says about a pod that runs its tests."""

from typing import Any

Json = dict[str, Any]

MOMENT = "2026-11-23T12:00:00Z"
CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


def running(pod: Json) -> Json:
    """The `status` of it; all that ends before the tests has ended."""
    spec = pod["spec"]
    return {
        "phase": "Running",
        "hostIP": "10.0.0.7",
        "podIP": "10.244.0.17",
        "startTime": MOMENT,
        "conditions": [*_scheduled(pod), *map(_true, CONDITIONS)],
        "initContainerStatuses": [_container(item) for item in spec["initContainers"]],
        "containerStatuses": [
            {**_container(item), **_runs(), "ready": True} for item in spec["containers"]
        ],
    }


def _scheduled(pod: Json) -> list[Json]:
    conditions = pod["status"].get("conditions", [])
    return [item for item in conditions if item["type"] == "PodScheduled"]


def _true(kind: str) -> Json:
    return {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": MOMENT}


def _container(container: Json) -> Json:
    common = {
        "name": container["name"],
        "image": container["image"],
        "imageID": f"{container['image']}@sha256:{'0' * 64}",
        "containerID": f"containerd://{'0' * 64}",
        "restartCount": 0,
        "lastState": {},
    }
    return common | (_runs() if container.get("restartPolicy") == "Always" else _ended())


def _runs() -> Json:
    return {"ready": True, "started": True, "state": {"running": {"startedAt": MOMENT}}}


def _ended() -> Json:
    ended = {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": MOMENT,
        "finishedAt": MOMENT,
        "containerID": f"containerd://{'0' * 64}",
    }
    return {"ready": True, "started": False, "state": {"terminated": ended}}
