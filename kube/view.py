"""What the cluster shows of our objects: one list, then one watch, for each kind.

A watch is a hint. It ends, falls silent, repeats itself or lies, so the list is read again every
`relist` seconds whatever the watch says, and nothing is concluded from an object's absence here
without a live read of it.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from dispatch.backends import BackendError, Unavailable
from dispatch.backoff import pause_after
from kube.api import Cluster, Expired

Json = dict[str, Any]

# How long one watch lasts: a loop has to come round in time to show that it lives.
WATCH_SECONDS = 10.0
PAGE = 50
FIRST_REST, LONGEST_REST = 1.0, 30.0

logger = logging.getLogger(__name__)


class View:
    """The objects of one kind with our label, by name. Safe to read from any thread."""

    def __init__(
        self,
        cluster: Cluster,
        kind: str,
        selector: str,
        *,
        relist: float,
        silence: float,
        changed: Callable[[], None],
    ) -> None:
        self.kind = kind
        self._cluster = cluster
        self._selector = selector
        self._relist = relist
        self._silence = silence
        self._changed = changed
        self._objects: dict[str, Json] = {}
        self._version = ""
        self._listed_at = float("-inf")
        self._heard_at = float("-inf")
        self._failures = 0
        self._rest_until = 0.0
        # Whether a list has come while a watch was on: it may be older than what the watch has
        # told, and that watch will not tell it again.
        self._watching = self._overtaken = False
        self._lock = threading.Lock()

    def get(self, name: str) -> Json | None:
        with self._lock:
            return self._objects.get(name)

    def all(self) -> list[Json]:
        with self._lock:
            return list(self._objects.values())

    @property
    def silent_for(self) -> float:
        """Seconds since the watch last said anything: events, or the bookmarks that come when
        there are none. Infinite before there is one."""
        return time.monotonic() - self._heard_at

    def refresh(self) -> int:
        """List again if the last list is too old; how many objects were not as the watch had
        told. Raises Unavailable."""
        if time.monotonic() - self._listed_at < self._relist:
            return 0
        return self._list()

    def _list(self) -> int:
        asked = time.monotonic()
        found, version = self._read_pages()
        with self._lock:
            wrong = sum(not _same(self._objects.get(name), item) for name, item in found.items())
            wrong += len(self._objects.keys() - found.keys())
            self._objects = found
            self._version = version
            self._overtaken = self._watching
            self._listed_at = asked
            if self._heard_at == float("-inf"):
                self._heard_at = asked
        return wrong

    def _read_pages(self) -> tuple[dict[str, Json], str]:
        """Everything, as it was in one version. In pages, since a long list holds up both sides:
        no other thread of ours runs while one is decoded."""
        found: dict[str, Json] = {}
        query = {"labelSelector": self._selector, "limit": str(PAGE)}
        while True:
            answer = self._cluster.list(self.kind, **query)
            found |= {item["metadata"]["name"]: item for item in answer["items"]}
            query["continue"] = str(answer["metadata"].get("continue") or "")
            if not query["continue"]:
                return found, answer["metadata"]["resourceVersion"]

    def follow(self) -> None:
        """List if need be, then watch until the watch ends. One step of a loop: it raises what
        went wrong and does nothing for a while after, longer each time. Raises BackendError."""
        if time.monotonic() < self._rest_until:
            return
        try:
            self._list_and_watch()
        except BackendError as error:
            self._version = ""
            self._rest(error)
            raise
        self._failures = 0

    def _rest(self, error: BackendError) -> None:
        asked = error.retry_after if isinstance(error, Unavailable) else None
        self._failures += 1
        rest = pause_after(self._failures, first=FIRST_REST, longest=LONGEST_REST)
        self._rest_until = time.monotonic() + max(asked or 0.0, rest)

    def _list_and_watch(self) -> None:
        if not self._version:
            self._list()
            self._changed()
        with self._lock:
            version, self._watching, self._overtaken = self._version, True, False
        try:
            self._watch(version)
        except Expired:
            self._version = ""  # no failure: the next step lists anew
        finally:
            self._watching = False

    def _watch(self, version: str) -> None:
        """Until it ends, or a list has come meanwhile: then the next one begins where that was."""
        events = self._cluster.watch(
            self.kind,
            version,
            self._silence,
            labelSelector=self._selector,
            timeoutSeconds=str(max(1, math.ceil(min(self._relist, WATCH_SECONDS)))),
        )
        with closing(events):
            for event in events:
                self._take(event)
                if self._overtaken:
                    return

    def _take(self, event: Json) -> None:
        kind, item = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            self._version = ""
            if item.get("code") == 410:
                raise Expired(f"the watch of {self.kind} is too old")
            raise Unavailable(f"the watch of {self.kind} says {item.get('message')}")
        metadata = item.get("metadata") or {}
        with self._lock:
            self._heard_at = time.monotonic()
            if self._overtaken:
                return
            self._version = metadata.get("resourceVersion") or self._version
            name = str(metadata.get("name"))
            if _is_older(item, self._objects.get(name)):
                return
            if kind in ("ADDED", "MODIFIED"):
                self._objects[name] = item
            elif kind == "DELETED":
                self._objects.pop(name, None)
        if kind != "BOOKMARK":
            self._changed()


def _is_older(item: Json, known: Json | None) -> bool:
    """A watch that lags behind a list, or swaps its events, must not bring the past back."""
    versions = [(one or {}).get("metadata", {}).get("resourceVersion", "") for one in (item, known)]
    return all(map(str.isdigit, versions)) and int(versions[0]) < int(versions[1])


def _same(known: Json | None, item: Json) -> bool:
    if known is None:
        return False
    return bool(known["metadata"]["resourceVersion"] == item["metadata"]["resourceVersion"])
