"""One sandbox cluster for all tests of this process, started when it is first needed."""

import atexit
import builtins
import dataclasses
import json
import shutil
import tempfile
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any

from kube.config import Config, config
from sandbox.kubernetes.kubeconfig import write_kubeconfig
from sandbox.kubernetes.launch import Launched, launch
from tests.waiting import wait_until

NAMESPACE, LIMITED = "workers", "limited-token"
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


class SandboxCluster:
    """Talks to the sandbox as its administrator, over plain HTTP."""

    def __init__(self, launched: Launched) -> None:
        self.launched = launched
        # The backend has the rights of the product's Role and no others.
        self.limited = launched.state / "limited"
        write_kubeconfig(self.limited, launched.url, {"limited": LIMITED})
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self.call("POST", "/api/v1/namespaces", namespace)

    def config(self, **facts: Any) -> Config:
        defaults = config()
        manifest = dataclasses.replace(defaults.manifest, namespace=NAMESPACE)
        settings: dict[str, Any] = {
            "kubeconfig": str(self.limited),
            "manifest": manifest,
            "calls_per_second": 1000.0,
            "timeout": 5.0,
        }
        return dataclasses.replace(defaults, **(settings | facts))

    def call(
        self, method: str, path: str, body: Any = None, content: str = "application/json"
    ) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.launched.token}", "Content-Type": content}
        request = urllib.request.Request(self.launched.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def list(self, kind: str) -> list[dict[str, Any]]:
        group = "apis/batch/v1" if kind == "jobs" else "api/v1"
        found: list[dict[str, Any]] = self.call("GET", self._path(group, kind))["items"]
        return found

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"{self.path(kind)}/{name}")
        return found

    def make(self, kind: str, body: dict[str, Any]) -> None:
        self.call("POST", self.path(kind), body)

    def change(self, kind: str, name: str, body: dict[str, Any], part: str = "") -> None:
        """A merge patch, of the object or of one part of it."""
        place = f"{self.path(kind)}/{name}" + (f"/{part}" if part else "")
        self.call("PATCH", place, body, "application/merge-patch+json")

    def delete(self, kind: str, name: str) -> None:
        self.call("DELETE", f"{self.path(kind)}/{name}", {"propagationPolicy": "Background"})

    def pod_of(self, job: str) -> dict[str, Any]:
        """Its pod, once there is one that runs."""

        def running() -> list[dict[str, Any]]:
            every = self.list("pods")
            mine = [pod for pod in every if pod["metadata"]["labels"].get("job-name") == job]
            return [pod for pod in mine if pod["status"].get("phase") == "Running"]

        wait_until(running)
        return running()[0]

    def lose(self, pod: str) -> None:
        self.call("PUT", f"/sandbox/pods/{NAMESPACE}/{pod}/lose", {})

    def fired(self) -> "builtins.list[int]":
        """How often each fault has struck."""
        return [rule["fired"] for rule in self.call("GET", "/sandbox/faults")]

    def path(self, kind: str) -> str:
        return self._path("apis/batch/v1" if kind == "jobs" else "api/v1", kind)

    def quota(self, jobs: int) -> None:
        """Let the namespace have so many Jobs."""
        body = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "jobs", "namespace": NAMESPACE},
            "spec": {"hard": {"count/jobs.batch": str(jobs)}},
        }
        path = self._path("api/v1", "resourcequotas")
        try:
            self.call("DELETE", f"{path}/jobs")
        except urllib.error.HTTPError as error:
            assert error.code == 404
        self.call("POST", path, body)

    def complete(self, job: dict[str, Any]) -> None:
        """Let its pod end well, and wait until the Job says so."""
        name, path = job["metadata"]["name"], self._path("api/v1", "pods")

        def pods() -> list[dict[str, Any]]:
            every = self.list("pods")
            return [pod for pod in every if pod["metadata"]["labels"].get("job-name") == name]

        wait_until(pods)
        ended = {"status": {"phase": "Succeeded"}}
        pod = pods()[0]["metadata"]["name"]
        self.call("PATCH", f"{path}/{pod}/status", ended, "application/merge-patch+json")
        wait_until(lambda: self._is_complete(name))

    def _is_complete(self, name: str) -> bool:
        jobs = {job["metadata"]["name"]: job for job in self.list("jobs")}
        conditions = jobs[name].get("status", {}).get("conditions") or []
        return any(condition["type"] == "Complete" for condition in conditions)

    def faults(self, *rules: dict[str, Any]) -> None:
        self.call("PUT", "/sandbox/faults", list(rules))

    def clear(self) -> None:
        self.faults()
        for job in self.list("jobs"):
            name = job["metadata"]["name"]
            path = self._path("apis/batch/v1", "jobs")
            self.call("DELETE", f"{path}/{name}", {"propagationPolicy": "Background"})
        self.quota(1000)

    def _path(self, group: str, kind: str) -> str:
        return f"/{group}/namespaces/{NAMESPACE}/{kind}"


@cache
def sandbox_cluster() -> SandboxCluster:
    folder = Path(tempfile.mkdtemp(prefix="switchyard-cluster-"))
    launched = launch(folder, "--nodes", "1", "--speed", "20", "--limited-token", LIMITED)

    def end() -> None:
        launched.stop()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return SandboxCluster(launched)
