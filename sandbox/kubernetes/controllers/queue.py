"""A queue of keys that want to be looked at. A key waits in it once, however often it is added."""

import asyncio
import sqlite3
import sys
import traceback
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ..cluster import Cluster
from ..errors import ApiError

K = TypeVar("K", bound=Hashable)

_AT_ONCE = 20  # keys, before requests get their turn
_FIRST_RETRY, _LAST_RETRY = 1.0, 60.0  # seconds; twice as long each time


class Queue(Generic[K]):
    """`reconcile` brings one thing to what it should be. One that raises is tried again."""

    def __init__(self, cluster: Cluster, reconcile: Callable[[K], None]) -> None:
        self._cluster = cluster
        self._reconcile = reconcile
        self._keys: dict[K, None] = {}
        self._failures: dict[K, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running = False

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake()

    def add(self, key: K) -> None:
        self._keys.setdefault(key)
        self._wake()

    def add_at(self, moment: float, key: K) -> None:
        self._cluster.timers.at(moment, lambda: self.add(key))

    def _wake(self) -> None:
        if self._loop is not None and self._keys and not self._running:
            self._running = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._keys))):
            key = next(iter(self._keys))
            del self._keys[key]
            self._attempt(key)
        self._running = False
        self._wake()

    def _attempt(self, key: K) -> None:
        try:
            self._reconcile(key)
        except (ApiError, sqlite3.Error) as error:
            if not isinstance(error, ApiError):
                traceback.print_exc(file=sys.stderr)
            self._again_later(key)
        except Exception:
            # A bug in one controller must not end the others.
            traceback.print_exc(file=sys.stderr)
            self._again_later(key)
        else:
            self._failures.pop(key, None)

    def _again_later(self, key: K) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(_FIRST_RETRY * 2 ** (failures - 1), _LAST_RETRY)
        self.add_at(self._cluster.now() + self._cluster.settings.scaled(pause), key)
