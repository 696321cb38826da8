"""The clusters that the backend is tested over, as their administrator sees them: a sandbox for all
tests of this process, and what it has in common with a real one (`tests/kube/real_cluster.py`).
"""

import atexit
import builtins
import dataclasses
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from kube.config import Config, config
from sandbox.kubernetes.kubeconfig import write_kubeconfig
from sandbox.kubernetes.launch import Launched, launch
from tests.conformance.cluster import MERGE, STRATEGIC, Cluster
from tests.waiting import wait_until

NAMESPACE, LIMITED = "workers", "limited-token"
# Nobody listens there, and nothing leaves this machine.
NO_REGISTRY = "http://127.0.0.1:1"
COMPOSE = """\
services:
  saturn_test_app:
    build:
      context: ..
      dockerfile: .saturnci/Dockerfile
    volumes:
      - ../:/app
"""
DOCKERFILE = "FROM ruby:3.3\nWORKDIR /app\nCOPY . .\nRUN bundle install\n"


class AnyCluster:
    """`admin` may do everything; `limited` is a kubeconfig of an account that has the rights of the
    product's Role and no others, as the backend has them."""

    def __init__(self, admin: Cluster, namespace: str, limited: Path) -> None:
        self.admin, self.namespace, self.limited = admin, namespace, limited
        self._limits: dict[str, str] = {}

    def config(self, **facts: Any) -> Config:
        defaults = config()
        settings: dict[str, Any] = {
            "kubeconfig": str(self.limited),
            "manifest": dataclasses.replace(defaults.manifest, **self.manifest_settings()),
            "registry_url": NO_REGISTRY,
            "calls_per_second": 1000.0,
            "timeout": 5.0,
        }
        return dataclasses.replace(defaults, **(settings | facts))

    def manifest_settings(self) -> dict[str, Any]:
        return {"namespace": self.namespace}

    def list(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.admin.must("GET", self.path(kind))["items"]
        return found

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return self.admin.must("GET", f"{self.path(kind)}/{name}")

    def make(self, kind: str, body: dict[str, Any]) -> None:
        self.admin.must("POST", self.path(kind), body)

    def change(self, kind: str, name: str, body: dict[str, Any], part: str = "") -> None:
        """A merge patch, of the object or of one part of it."""
        place = f"{self.path(kind)}/{name}" + (f"/{part}" if part else "")
        self.admin.must("PATCH", place, body, kind=MERGE)

    def delete(self, kind: str, name: str) -> None:
        """Returns when it is gone or, where a finalizer holds it, going."""
        options = {"propagationPolicy": "Background"}
        self.admin.must("DELETE", f"{self.path(kind)}/{name}", options)

    def pod_of(self, job: str) -> dict[str, Any]:
        """Its pod, once there is one that runs."""
        found: dict[str, Any] = self.admin.wait(lambda: self._running_pod(job))
        return found

    def _running_pod(self, job: str) -> dict[str, Any] | None:
        running = [pod for pod in self.pods(job) if pod["status"].get("phase") == "Running"]
        return running[0] if running else None

    def pods(self, job: str) -> "builtins.list[dict[str, Any]]":
        labels = ((pod["metadata"].get("labels") or {}, pod) for pod in self.list("pods"))
        return [pod for found, pod in labels if found.get("job-name") == job]

    def lose(self, pod: str) -> None:
        """Without a word: it is gone, and nobody said how it ended."""
        raise NotImplementedError

    def path(self, kind: str) -> str:
        group = "apis/batch/v1" if kind == "jobs" else "api/v1"
        return f"/{group}/namespaces/{self.namespace}/{kind}"

    def quota(self, **hard: int) -> None:
        """What the namespace may have: `jobs`, `pods`. Returns when that holds."""
        names = {"jobs": "count/jobs.batch", "pods": "pods"}
        limits = {names[kind]: str(count) for kind, count in hard.items()}
        if limits == self._limits:
            return
        path = f"{self.path('resourcequotas')}/limits"
        self.admin.call("DELETE", path)
        body = {"metadata": {"name": "limits"}, "spec": {"hard": limits}}
        self.make("resourcequotas", body)

        def counted() -> bool:
            status = self.admin.must("GET", path).get("status", {})
            used = status.get("used", {}).get("count/jobs.batch")
            return status.get("hard") == limits and used in (None, str(len(self.list("jobs"))))

        self.admin.wait(counted)
        self._limits = limits

    def complete(self, job: dict[str, Any]) -> None:
        """Let its pod end well, and wait until the Job says so."""
        name = job["metadata"]["name"]
        self.admin.wait(lambda: self.pods(name))
        pod = self.pods(name)[0]["metadata"]["name"]
        path = f"{self.path('pods')}/{pod}/status"
        self.admin.must("PATCH", path, {"status": {"phase": "Succeeded"}}, kind=STRATEGIC)
        wait_until(lambda: self._is_complete(name))

    def _is_complete(self, name: str) -> bool:
        conditions = self.get("jobs", name).get("status", {}).get("conditions") or []
        return any(condition["type"] == "Complete" for condition in conditions)

    def clear(self) -> None:
        """Nothing of an earlier test is left."""
        for job in self.list("jobs"):
            self.delete("jobs", job["metadata"]["name"])
        self.quota(jobs=999)


class SandboxCluster(AnyCluster):
    def __init__(self, launched: Launched) -> None:
        self.launched = launched
        limited = launched.state / "limited"
        write_kubeconfig(limited, launched.url, {"limited": LIMITED})
        super().__init__(Cluster.of(launched.kubeconfig), NAMESPACE, limited)
        self.admin.must("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})

    def lose(self, pod: str) -> None:
        self.admin.must("PUT", f"/sandbox/pods/{NAMESPACE}/{pod}/lose", {})

    def fired(self) -> "builtins.list[int]":
        """How often each fault has struck."""
        rules: Any = self.admin.must("GET", "/sandbox/faults")
        return [rule["fired"] for rule in rules]

    def faults(self, *rules: dict[str, Any]) -> None:
        self.admin.must("PUT", "/sandbox/faults", list(rules))

    def clear(self) -> None:
        self.faults()
        super().clear()


@cache
def sandbox_cluster() -> SandboxCluster:
    folder = Path(tempfile.mkdtemp(prefix="switchyard-cluster-"))
    launched = launch(folder, "--nodes", "1", "--speed", "20", "--limited-token", LIMITED)

    def end() -> None:
        launched.stop()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return SandboxCluster(launched)
