"""Events: what a controller tells about an object. The same thing told again is counted."""

from ..clock import iso, iso_micro
from ..cluster import Cluster
from ..errors import ApiError
from ..objects import create
from ..resources import EVENTS, Resource
from ..store import Key, Object, Version

_REMEMBERED = 4096


class Recorder:
    """`component` is who tells it. A `modern` one tells by eventTime, action and series, and leaves
    source, count and the other times empty, as the scheduler does."""

    def __init__(self, cluster: Cluster, component: str, *, modern: bool = False) -> None:
        self._cluster = cluster
        self._component = component
        self._modern = modern
        self._last = 0  # nanoseconds; no two events of this component have the same
        self._told: dict[tuple[str, ...], Key] = {}

    def normal(
        self, resource: Resource, about: Version, reason: str, message: str, action: str = ""
    ) -> None:
        what = {"type": "Normal", "reason": reason, "message": message, "action": action}
        self._record(resource, about, what)

    def warning(
        self, resource: Resource, about: Version, reason: str, message: str, action: str = ""
    ) -> None:
        what = {"type": "Warning", "reason": reason, "message": message, "action": action}
        self._record(resource, about, what)

    def _record(self, resource: Resource, about: Version, what: dict[str, str]) -> None:
        key = (about.uid, *what.values())
        if self._count_again(key):
            return
        what["message"] = what["message"][:1024]
        event = self._event(resource, about) | {k: v for k, v in what.items() if v}
        namespace = about.namespace or "default"
        try:
            self._told[key] = create(self._cluster, EVENTS, namespace, event).version.key
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
        event, now = known.copy(), self._cluster.now()
        if self._modern:
            count = int((event.get("series") or {}).get("count", 1)) + 1
            event["series"] = {"count": count, "lastObservedTime": iso_micro(now)}
        else:
            event["count"] = int(event.get("count", 1)) + 1
            event["lastTimestamp"] = iso(now)
        self._cluster.store.write("events", event)
        return True

    def _event(self, resource: Resource, about: Version) -> Object:
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
            "reportingComponent": self._component,
            **(self._modern_fields(now) if self._modern else self._fields(now)),
        }

    def _fields(self, now: float) -> Object:
        return {
            "source": {"component": self._component},
            "reportingInstance": "",
            "eventTime": None,
            "firstTimestamp": iso(now),
            "lastTimestamp": iso(now),
            "count": 1,
        }

    def _modern_fields(self, now: float) -> Object:
        return {
            "source": {},
            "reportingInstance": f"{self._component}-sandbox",
            "eventTime": iso_micro(now),
            "firstTimestamp": None,
            "lastTimestamp": None,
        }
