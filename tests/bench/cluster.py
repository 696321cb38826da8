"""The sandbox cluster as a process of its own, with a record of every call it answered."""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kube.config import Config
from sandbox.kubernetes.launch import Launched, launch
from tests.bench.client import Connection, request
from tests.kube.cluster import NAMESPACE, SandboxCluster
from tests.waiting import wait_until

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
STRICT = "?fieldValidation=Strict"
# Nothing runs on these; a node takes 110 pods.
NODES = 6
# As many calls as one likes, where the pace is not what is measured.
UNPACED = 100_000
SECONDS_TO_CLEAR = 60.0
LINE = re.compile(r"(?P<at>\d+\.\d+) (?P<method>[A-Z]+) (?P<path>/\S+) (?P<code>\d+)(?: (\S+))?")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One that was answered, at a time in seconds since the epoch. `made` is the name of the new
    object."""

    at: float
    method: str
    path: str
    code: int
    made: str = ""

    @property
    def makes_a_job(self) -> bool:
        return self.method == "POST" and self.path.partition("?")[0] == JOBS and self.code == 201


class Cluster(SandboxCluster):
    """`calls` are those since `forget_calls`, apart from the operator's own."""

    def __init__(self, launched: Launched, log: Path) -> None:
        super().__init__(launched)
        self._log = log
        self.forget_calls()

    @cached_property
    def connection(self) -> Connection:
        """One that is kept, for bare calls."""
        return Connection(self.launched.port)

    def bare(self, method: str, path: str, body: bytes, kind: str = "application/json") -> bytes:
        """The bytes of a request as the product would send it."""
        authorization = f"Bearer {self.launched.token}"
        return request(method, path, body, {"Authorization": authorization}, kind)

    def config(self, **facts: Any) -> Config:
        """For the backend in this process, as the administrator."""
        return super().config(kubeconfig=str(self.launched.kubeconfig), **facts)

    def settings(self, **more: str) -> dict[str, str]:
        """For the product's processes."""
        return {
            "SWITCHYARD_BACKENDS": "kubernetes",
            "SWITCHYARD_KUBECONFIG": str(self.launched.kubeconfig),
            "SWITCHYARD_KUBE_NAMESPACE": NAMESPACE,
            "SWITCHYARD_KUBE_LIMIT": "1000",
            "SWITCHYARD_KUBE_CALLS_PER_SECOND": str(UNPACED),
            **more,
        }

    def forget_calls(self) -> None:
        self._read_from = self._log.stat().st_size

    def calls(self) -> list[Call]:
        with self._log.open() as log:
            log.seek(self._read_from)
            found = [LINE.fullmatch(line.rstrip("\n")) for line in log]
        return [_call(line) for line in found if line and "/sandbox/" not in line["path"]]

    def remove_jobs(self) -> None:
        """With all that belongs to them; returns when it is gone."""
        self.admin.must("DELETE", f"{JOBS}?propagationPolicy=Background")
        wait_until(self._is_empty, SECONDS_TO_CLEAR)

    def _is_empty(self) -> bool:
        return not any(self.count(kind) for kind in ("jobs", "pods", "secrets"))

    def count(self, kind: str) -> int:
        held: Mapping[str, int] = self.admin.must("GET", "/sandbox/state")["objects"]
        return held.get(kind, 0)


def _call(line: re.Match[str]) -> Call:
    return Call(
        at=float(line["at"]),
        method=line["method"],
        path=line["path"],
        code=int(line["code"]),
        made=line[5] or "",
    )


@contextmanager
def cluster(logs: Path) -> Iterator[Cluster]:
    """Without a disk, as far as the machine lets us: a real one has its own. It logs to a file in
    `logs`."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="switchyard-bench-", dir=place) as folder:
        log = logs / f"{Path(folder).name}.log"
        launched = launch(Path(folder), "--nodes", str(NODES), "--verbose", log=log)
        try:
            yield Cluster(launched, log)
        finally:
            launched.stop()


def as_sent(manifest: Mapping[str, Any]) -> bytes:
    """As the client writes it."""
    return json.dumps(manifest).encode()
