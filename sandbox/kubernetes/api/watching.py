"""watch: what has changed since a version, and what changes from now on."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

from ..cluster import Cluster
from ..errors import ApiError, Disconnect, too_old
from ..partition import watched_node
from ..resources import PODS
from ..store import Change, Version
from ..wire import Request, Stream
from .codec import with_kind
from .reading import check_version, selection
from .routing import Target

_MIN_TIMEOUT = 1800.0  # of a watch that names none: up to twice as long


def watch(cluster: Cluster, request: Request, target: Target) -> Stream:
    """Raises ApiError before anything is sent; after that errors are events."""
    return Stream(chunks=_Watch(cluster, request, target).events())


class _Watch:
    def __init__(self, cluster: Cluster, request: Request, target: Target) -> None:
        self._cluster = cluster
        self._request = request
        self._resource = target.resource
        self._namespace = target.namespace
        self._name = target.name
        self._selected = selection(request, target.resource)
        self._from_now = request.query.get("resourceVersion", "") in ("", "0")
        self._initial = request.flag("sendInitialEvents")
        self._since = 0 if self._from_now else _wanted(cluster, request)
        self._bookmarks = request.flag("allowWatchBookmarks")
        self._node = watched_node(request) if target.resource is PODS else ""
        self._held: list[bytes] = []  # by a fault, until after the next one
        seconds = request.number("timeoutSeconds")
        self._seconds = seconds or random.uniform(_MIN_TIMEOUT, 2 * _MIN_TIMEOUT)

    async def events(self) -> AsyncIterator[bytes]:
        store, loop = self._cluster.store, asyncio.get_running_loop()
        if self._since and self._since < store.floor:
            yield _error(too_old(self._since, store.floor))
            return
        for event in self._beginning():
            yield event
        plural = self._resource.plural
        with self._cluster.watches.opened(self._request.user, plural) as wake:
            stop = store.listen(plural, lambda change: wake.set())
            ends = loop.time() + self._seconds
            try:
                async for event in self._follow(wake, ends):
                    yield event
            finally:
                stop()

    def _beginning(self) -> Iterator[bytes]:
        store = self._cluster.store
        if not (self._from_now or self._initial):
            return
        if self._from_now or self._since <= store.revision:
            self._since = store.revision
        if self._from_now and self._request.query.get("sendInitialEvents") == "false":
            return
        for version in store.versions(self._resource.plural, self._namespace):
            if self._sees(version):
                yield self._event("ADDED", version)
        if self._initial and self._bookmarks:
            yield self._bookmark({"k8s.io/initial-events-end": "true"})

    async def _follow(self, wake: asyncio.Event, ends: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        pause = self._cluster.settings.scaled(self._cluster.settings.bookmarks)
        next_bookmark = loop.time() + pause
        while loop.time() < ends:
            wake.clear()
            self._check_connection()
            if self._since < self._cluster.store.forgotten(self._resource.plural):
                yield _error(too_old(self._since, self._cluster.store.floor))
                return
            for event in self._news():
                yield event
            if self._bookmarks and loop.time() >= next_bookmark:
                if not self._cluster.faults.silences(self._request):
                    yield self._bookmark()
                next_bookmark = loop.time() + pause
            due = min(ends, next_bookmark) if self._bookmarks else ends
            await _wait(wake, due - loop.time())
        if self._bookmarks and not self._cluster.faults.silences(self._request):
            yield self._bookmark()

    def _check_connection(self) -> None:
        """Raises Disconnect in an outage, and for the kubelet of a node that is cut off."""
        cluster = self._cluster
        if cluster.is_out or (self._node and cluster.faults.node_lost(self._node)):
            raise Disconnect()

    def _news(self) -> Iterator[bytes]:
        for change in self._cluster.store.changes(self._resource.plural, self._since):
            self._since = change.rv
            if event := self._shown(change):
                yield from self._struck(event, change.new.name)
        self._since = max(self._since, self._cluster.store.revision)

    def _struck(self, event: bytes, name: str) -> Iterator[bytes]:
        """An event with what faults make of it. Raises Disconnect for one that ends the watch."""
        kinds = {strike.kind for strike in self._cluster.faults.of_event(self._request, name)}
        if "watch_expired" in kinds:
            yield _error(too_old(self._since, self._cluster.store.revision))
            raise Disconnect()
        if "watch_cut" in kinds:
            raise Disconnect()
        if kinds & {"watch_silent", "watch_omit"}:
            return
        if "watch_reorder" in kinds:
            self._held.append(event)
            return
        yield event
        if "watch_duplicate" in kinds:
            yield event
        while self._held:
            yield self._held.pop()

    def _shown(self, change: Change) -> bytes | None:
        """An object that a change takes out of the selection is deleted, for this watch."""
        saw = change.old is not None and self._sees(change.old)
        sees = not change.deleted and self._sees(change.new)
        if sees:
            return self._event("MODIFIED" if saw else "ADDED", change.new)
        return self._event("DELETED", change.new) if saw else None

    def _sees(self, version: Version) -> bool:
        if self._namespace and version.namespace != self._namespace:
            return False
        if self._name and version.name != self._name:
            return False
        return self._selected is None or self._selected(version)

    def _event(self, kind: str, version: Version) -> bytes:
        shown = with_kind(self._resource, version)
        return b'{"type":"' + kind.encode() + b'","object":' + shown + b"}\n"

    def _bookmark(self, annotations: dict[str, str] | None = None) -> bytes:
        meta: dict[str, Any] = {"resourceVersion": str(self._since), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        obj = {
            "kind": self._resource.kind,
            "apiVersion": self._resource.api_version,
            "metadata": meta,
        }
        return json.dumps({"type": "BOOKMARK", "object": obj}).encode() + b"\n"


def _wanted(cluster: Cluster, request: Request) -> int:
    """A watch may wait for a version that is still to come."""
    try:
        return check_version(cluster, request)
    except ApiError as error:
        if error.code != 504:
            error.message = error.message.removeprefix("invalid resource version: ")
            raise ApiError(500, "", error.message) from None
    return int(request.query["resourceVersion"])


def _error(error: ApiError) -> bytes:
    return json.dumps({"type": "ERROR", "object": error.status}).encode() + b"\n"


async def _wait(wake: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(wake.wait(), max(seconds, 0))
    except TimeoutError:
        return
