"""Which pods this node has: list and watch, with a fresh list now and then."""

import sys
import threading
import time
from collections.abc import Callable

from .api import Api, Refused, Unreachable
from .settings import Settings
from .spec import Json

_WATCH_SECONDS = 30.0
_PAUSE_SECONDS = 0.5


class Source:
    """`deliver(pod)` gets every version that comes by, `remove(uid)` those that were removed, and
    `complete(uids)` after each list, with all that there are."""

    def __init__(
        self,
        api: Api,
        settings: Settings,
        *,
        deliver: Callable[[Json], None],
        remove: Callable[[str], None],
        complete: Callable[[set[str]], None],
    ) -> None:
        self._api = api
        self._node = settings.node
        self._relist_seconds = max(settings.scaled(_WATCH_SECONDS), 2.0)
        self._deliver, self._remove, self._complete = deliver, remove, complete
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()  # a watch that is silent ends with the process

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow(self._list())
            except (Unreachable, Refused, KeyError, TypeError) as error:
                print(f"pods: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                self._stop.wait(_PAUSE_SECONDS)

    def _list(self) -> str:
        """Where to watch on from."""
        path = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{self._node}"
        found = self._api.call("GET", path)
        pods = found.get("items") or []
        for pod in pods:
            self._deliver(pod)
        self._complete({pod["metadata"]["uid"] for pod in pods})
        return str(found["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        """Until it is time for a fresh list: watches may be silent, or lie."""
        until = time.monotonic() + self._relist_seconds
        while not self._stop.is_set() and (left := until - time.monotonic()) > 0:
            query = {
                "fieldSelector": f"spec.nodeName={self._node}",
                "watch": "1",
                "allowWatchBookmarks": "true",
                "resourceVersion": version,
                "timeoutSeconds": str(max(1, round(left))),
            }
            for event in self._api.watch("/api/v1/pods", query):
                if self._stop.is_set() or event["type"] == "ERROR":
                    return
                version = event["object"]["metadata"]["resourceVersion"]
                self._take(event)

    def _take(self, event: Json) -> None:
        if event["type"] == "DELETED":
            self._remove(event["object"]["metadata"]["uid"])
        elif event["type"] in ("ADDED", "MODIFIED"):
            self._deliver(event["object"])
