"""Events: what a controller tells about an object. The same thing told again is counted."""

from ..clock import iso
from ..cluster import Cluster
from ..errors import ApiError
from ..objects import create
from ..resources import EVENTS, Resource
from ..store import Key, Object, Version

_REMEMBERED = 4096


class Recorder:
    """`component` is who tells it."""

    def __init__(self, cluster: Cluster, component: str) -> None:
        self._cluster = cluster
        self._component = component
        self._last = 0  # nanoseconds; no two events of this component have the same
        self._told: dict[tuple[str, ...], Key] = {}

    def normal(self, resource: Resource, about: Version, reason: str, message: str) -> None:
        self._record(resource, about, "Normal", reason, message)

    def warning(self, resource: Resource, about: Version, reason: str, message: str) -> None:
        self._record(resource, about, "Warning", reason, message)

    def _record(
        self, resource: Resource, about: Version, kind: str, reason: str, message: str
    ) -> None:
        what = (about.uid, kind, reason, message)
        if self._count_again(what):
            return
        namespace = about.namespace or "default"
        event = self._event(resource, about, kind, reason, message)
        try:
            self._told[what] = create(self._cluster, EVENTS, namespace, event).version.key
        except ApiError:
            # A namespace that is on its way out takes no events, and nobody misses them.
            return
        while len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]

    def _count_again(self, what: tuple[str, ...]) -> bool:
        key = self._told.get(what)
        known = key and self._cluster.store.get("events", *key)
        if not known:
            return False
        event = known.copy()
        event["count"] = int(event.get("count", 1)) + 1
        event["lastTimestamp"] = self._cluster.timestamp()
        self._cluster.store.write("events", event)
        return True

    def _event(
        self, resource: Resource, about: Version, kind: str, reason: str, message: str
    ) -> Object:
        now = self._cluster.now()
        self._last = max(self._last + 1, int(now * 1e9))
        involved = {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "name": about.name,
            "uid": about.uid,
            "resourceVersion": str(about.rv),
        }
        if about.namespace:
            involved["namespace"] = about.namespace
        return {
            "metadata": {"name": f"{about.name}.{self._last:x}"},
            "involvedObject": involved,
            "reason": reason,
            "message": message[:1024],
            "type": kind,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
            "firstTimestamp": iso(now),
            "lastTimestamp": iso(now),
            "count": 1,
        }
