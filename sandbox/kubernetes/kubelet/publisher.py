"""Brings the status of pods to the API server, and confirms the end of those that were deleted.

What is wanted of a pod is its latest status; it is tried until it is there, by a few threads, so
that one call that hangs does not hold up every pod.
"""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .api import Api, Refused, Unreachable, pod_path
from .spec import Json, PodSpec

_THREADS = 4
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """`status` makes the status from the one that is there; `over`: the pod has come to its end
    and may be removed where its deletion was asked for."""

    pod: PodSpec
    status: Callable[[Json], Json]
    over: bool


class Publisher:
    """`gone(uid)` is called when the API server has no such pod any more."""

    def __init__(self, api: Api, gone: Callable[[str], None]) -> None:
        self._api = api
        self._gone = gone
        self._wanted: dict[str, Wanted] = {}
        self._busy: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._run, name=f"publisher-{number}", daemon=True)
            for number in range(_THREADS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """What is not delivered yet, the next kubelet delivers."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=2)

    def publish(self, wanted: Wanted) -> None:
        with self._changed:
            self._wanted[wanted.pod.uid] = wanted
            self._not_before.pop(wanted.pod.uid, None)
            self._changed.notify()

    def _run(self) -> None:
        while (wanted := self._take()) is not None:
            uid, again = wanted.pod.uid, False
            try:
                again = not self._deliver(wanted)
            except Unreachable:
                again = True
            except Refused as error:
                print(f"status of {wanted.pod.full_name}: {error}", file=sys.stderr, flush=True)
            with self._changed:
                self._busy.discard(uid)
                if again and uid not in self._wanted:
                    self._wanted[uid] = wanted
                    self._not_before[uid] = time.monotonic() + _PAUSE_SECONDS
                self._changed.notify()

    def _take(self) -> Wanted | None:
        """The next pod that nobody works on, and whose pause is over; None at the end."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                free = [uid for uid in self._wanted if uid not in self._busy]
                due = [uid for uid in free if self._not_before.get(uid, 0) <= now]
                if due:
                    self._busy.add(due[0])
                    self._not_before.pop(due[0], None)
                    return self._wanted.pop(due[0])
                self._changed.wait(_PAUSE_SECONDS / 2 if free else None)
        return None

    def _deliver(self, wanted: Wanted) -> bool:
        """False when somebody else changed the pod meanwhile. Raises Unreachable, Refused."""
        pod = wanted.pod
        path = pod_path(pod.namespace, pod.name)
        found = self._api.get(path)
        if found is None or found["metadata"]["uid"] != pod.uid:
            self._gone(pod.uid)
            return True
        before = found.get("status") or {}
        status = {**before, **wanted.status(before)}
        if status != before:
            try:
                found = self._api.call("PUT", f"{path}/status", {**found, "status": status})
            except Refused as error:
                if error.status == 409 or error.status == 404:
                    return False
                raise
        if wanted.over and found["metadata"].get("deletionTimestamp"):
            self._confirm(path, pod.uid)
        return True

    def _confirm(self, path: str, uid: str) -> None:
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        try:
            self._api.call("DELETE", path, body)
        except Refused as error:
            if error.status not in (404, 409):
                raise
        self._gone(uid)
