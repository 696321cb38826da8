"""Events, as the kubelet records them: in order, by a thread of its own, repeats counted.

They are hints for people: one that cannot be delivered is dropped after a few tries.
"""

import queue
import threading
import time
import uuid

from sandbox.kubernetes.clock import iso

from .api import Api, Refused, Unreachable
from .spec import ContainerSpec, Json, PodSpec

_TRIES = 5
_PAUSE_SECONDS = 0.5
_MERGE_PATCH = "application/merge-patch+json"
_REMEMBERED = 2000


class Recorder:
    """May be used by any thread."""

    def __init__(self, api: Api, node: str) -> None:
        self._api = api
        self._node = node
        self._queue: queue.SimpleQueue[Json | None] = queue.SimpleQueue()
        self._counts: dict[tuple[str, ...], tuple[str, int]] = {}
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join(timeout=2)

    def normal(
        self, pod: PodSpec, reason: str, message: str, container: ContainerSpec | None = None
    ) -> None:
        self._put("Normal", pod, reason, message, container)

    def warning(
        self, pod: PodSpec, reason: str, message: str, container: ContainerSpec | None = None
    ) -> None:
        self._put("Warning", pod, reason, message, container)

    def _put(
        self, kind: str, pod: PodSpec, reason: str, message: str, container: ContainerSpec | None
    ) -> None:
        now = iso(time.time())
        involved = {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": pod.namespace,
            "name": pod.name,
            "uid": pod.uid,
        }
        if container:
            involved["fieldPath"] = container.field_path
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{pod.name}.{uuid.uuid4().hex[:16]}",
                "namespace": pod.namespace,
            },
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": "kubelet", "host": self._node},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "reportingComponent": "kubelet",
            "reportingInstance": self._node,
        }
        self._queue.put(event)

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            for _ in range(_TRIES):
                try:
                    self._deliver(event)
                    break
                except Unreachable:
                    time.sleep(_PAUSE_SECONDS)
                except Refused:
                    break

    def _deliver(self, event: Json) -> None:
        involved = event["involvedObject"]
        path = f"/api/v1/namespaces/{event['metadata']['namespace']}/events"
        key = (involved["uid"], involved.get("fieldPath", ""), event["reason"], event["message"])
        name, count = self._counts.get(key, (event["metadata"]["name"], 0))
        if count and self._count_up(f"{path}/{name}", event, count + 1):
            self._counts[key] = (name, count + 1)
            return
        self._api.call("POST", path, event)
        if len(self._counts) >= _REMEMBERED:
            self._counts.clear()
        self._counts[key] = (event["metadata"]["name"], 1)

    def _count_up(self, path: str, event: Json, count: int) -> bool:
        """False when the event has expired meanwhile."""
        patch = {"count": count, "lastTimestamp": event["lastTimestamp"]}
        try:
            self._api.call("PATCH", path, patch, kind=_MERGE_PATCH)
        except Refused:
            return False
        return True
