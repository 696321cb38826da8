"""Looks now and then how much disk the pods use, and evicts those that use too much.

Source: `localStorageEviction` of Kubernetes 1.34 and its messages.
"""

import threading
import time
from collections.abc import Callable, Iterable

from sandbox.kubernetes import quantity

from . import disk, volumes
from .pod import Pod
from .settings import Settings
from .spec import ContainerSpec, resource

_LOOK_SECONDS = 10.0  # simulated
_SHORTEST = 1.0
# Of all time it may take no more than this part to look.
_SHARE = 0.1
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
        pause = self._pause
        while not self._stop.wait(pause):
            began = time.monotonic()
            for pod in list(self._pods()):
                record = pod.record
                if record.mounted and not record.ending and (message := excess(pod)):
                    pod.evict(message)
            pause = max(self._pause, (time.monotonic() - began) / _SHARE)


def excess(pod: Pod) -> str | None:
    """Why the pod has to be evicted, None where it has not."""
    sizes = {
        volume["name"]: disk.usage(pod.shelf.volumes / volume["name"])
        for volume in pod.spec.spec.get("volumes") or []
        if "emptyDir" in volume and not volumes.is_memory(volume)
    }
    written = {
        container.name: _written(pod, container)
        for container in pod.spec.containers
        if resource(container.raw, "limits", _STORAGE) is not None
    }
    return (
        _volume_excess(pod, sizes)
        or _pod_excess(pod, sum(sizes.values()) + sum(written.values()))
        or _container_excess(pod, written)
    )


def _volume_excess(pod: Pod, sizes: dict[str, int]) -> str | None:
    for volume in pod.spec.spec.get("volumes") or []:
        name, limit = volume["name"], (volume.get("emptyDir") or {}).get("sizeLimit")
        if name in sizes and limit is not None and sizes[name] > quantity.parse(str(limit)):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    return None


def _pod_excess(pod: Pod, used: int) -> str | None:
    """All limits together hold the containers and the emptyDirs; where one of them has none there
    is none for the pod."""
    together = [
        resource(c.raw, "limits", _STORAGE) for c in pod.spec.containers if c.kind != "init"
    ]
    before = [resource(c.raw, "limits", _STORAGE) or 0 for c in pod.spec.init if c.kind == "init"]
    known = [limit for limit in together if limit is not None]
    limit = max(sum(known), *before, 0)
    if len(known) < len(together) or used <= limit:
        return None
    shown = f"{limit / 2**20:g}Mi"
    return f"Pod ephemeral local storage usage exceeds the total limit of containers {shown}. "


def _container_excess(pod: Pod, written: dict[str, int]) -> str | None:
    for container in pod.spec.containers:
        limit = resource(container.raw, "limits", _STORAGE)
        if limit is not None and written[container.name] > limit:
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
