"""Looks now and then how much disk the pods use, and evicts those that use too much.

Source: `localStorageEviction` of Kubernetes 1.34 and its messages.
"""

import threading
from collections.abc import Callable, Iterable

from sandbox.kubernetes import quantity

from . import disk, volumes
from .pod import Pod
from .settings import Settings
from .spec import ContainerSpec, resource

_LOOK_SECONDS = 10.0  # simulated
_SHORTEST = 1.0
_STORAGE = "ephemeral-storage"


class Watchman:
    """One thread for all pods."""

    def __init__(self, settings: Settings, pods: Callable[[], Iterable[Pod]]) -> None:
        self._pause = max(settings.scaled(_LOOK_SECONDS), _SHORTEST)
        self._pods = pods
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storage", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            for pod in list(self._pods()):
                record = pod.record
                if record.mounted and not record.ending and (message := excess(pod)):
                    pod.evict(message)


def excess(pod: Pod) -> str | None:
    """Why the pod has to be evicted, None where it has not."""
    return _volume_excess(pod) or _pod_excess(pod) or _container_excess(pod)


def _volume_excess(pod: Pod) -> str | None:
    for volume in pod.spec.spec.get("volumes") or []:
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit is None or volumes.is_memory(volume):
            continue
        if disk.usage(pod.shelf.volumes / volume["name"]) > quantity.parse(str(limit)):
            name = volume["name"]
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    return None


def _pod_excess(pod: Pod) -> str | None:
    """All limits together hold the containers and the emptyDirs; without one in each there is
    none for the pod."""
    containers = [c for c in pod.spec.containers if c.kind != "init"]
    limits = [resource(c.raw, "limits", _STORAGE) for c in containers]
    known = [limit for limit in limits if limit is not None]
    if not known or len(known) < len(limits):
        return None
    limit = max(sum(known), *(resource(c.raw, "limits", _STORAGE) or 0 for c in pod.spec.init), 0)
    dirs = (v["name"] for v in pod.spec.spec.get("volumes") or [] if _on_disk(v))
    used = sum(disk.usage(pod.shelf.volumes / name) for name in dirs)
    used += sum(_written(pod, c) for c in containers)
    if used <= limit:
        return None
    shown = f"{limit / 2**20:g}Mi"
    return f"Pod ephemeral local storage usage exceeds the total limit of containers {shown}. "


def _on_disk(volume: "volumes.Json") -> bool:
    return "emptyDir" in volume and not volumes.is_memory(volume)


def _container_excess(pod: Pod) -> str | None:
    for container in pod.spec.containers:
        limit = resource(container.raw, "limits", _STORAGE)
        if limit is not None and _written(pod, container) > limit:
            text = container.raw["resources"]["limits"][_STORAGE]
            name = container.name
            return f'Container {name} exceeded its local ephemeral storage limit "{text}". '
    return None


def _written(pod: Pod, container: ContainerSpec) -> int:
    """What the container has written to its root and its log."""
    found = pod.record.containers.get(container.name)
    if found is None or found.run is None:
        return 0
    root = disk.usage(pod.shelf.root(container.name)) - found.run.root_bytes
    return max(root, 0) + disk.usage(pod.shelf.run(container.name, found.run.number))
