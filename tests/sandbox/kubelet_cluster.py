"""A cluster with one node for tests: an API server, a kubelet and a registry as real processes."""

import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from sandbox.kubernetes.kubelet import launch as nodes
from sandbox.kubernetes.kubelet import processes
from sandbox.kubernetes.kubelet.node import node_id
from sandbox.kubernetes.launch import launch
from sandbox.launching import ROOT
from tests.waiting import wait_until

Json = dict[str, Any]
SPEED = 40
QUICK = ("--speed", str(SPEED), "--pull-seconds", "1:2", "--service-seconds", "12")


@dataclass
class Api:
    """Plain HTTP against the API server."""

    url: str
    token: str
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = self.url + path
        return self.session.request(method, url, json=body, headers=headers, timeout=20)

    def get(self, path: str) -> Json:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def post(self, path: str, body: Json) -> Json:
        answer = self.call("POST", path, body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


@dataclass
class Cluster:
    """`namespace` is the test's own."""

    api: Api
    node: nodes.Launched
    registry: nodes.Launched
    folder: Path
    start_node: Callable[[], nodes.Launched]
    namespace: str = field(default_factory=lambda: f"ns-{uuid.uuid4().hex[:10]}")

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"

    @property
    def registry_host(self) -> str:
        return self.registry.url.removeprefix("http://")

    def make_namespace(self) -> None:
        about = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self.api.post("/api/v1/namespaces", about)
        # A namespace gets its ServiceAccount a moment after it was made.
        account = f"{self.path}/serviceaccounts/default"
        wait_until(lambda: self.api.call("GET", account).status_code == 200)

    def make(self, kind: str, name: str, **content: Any) -> None:
        body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **content}
        self.api.post(f"{self.path}/{kind.lower()}s", body)

    def run(self, name: str = "pod", **spec: Any) -> "RunningPod":
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": spec.pop("metadata", {}) | {"name": name},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, **spec},
        }
        made = self.api.post(f"{self.path}/pods", body)
        return RunningPod(cluster=self, name=name, uid=made["metadata"]["uid"])

    def faults(self, *rules: Json) -> None:
        answer = requests.put(f"{self.node.url}/sandbox/faults", json=list(rules), timeout=10)
        assert answer.status_code == 200, answer.text

    def order(self, what: str, **body: Any) -> requests.Response:
        """As the operator of the node."""
        return requests.put(f"{self.node.url}/sandbox/{what}", json=body, timeout=20)

    def clear(self) -> None:
        """Delete the test's pods and wait until nothing of them is left, but not for their grace.
        Those of a deleted Job may be gone before we ask."""
        self.faults()
        pods = self.api.get(f"{self.path}/pods")["items"]
        left = [self._running(pod) for pod in pods]
        for pod in left:
            self.api.call("DELETE", f"{pod.path}?gracePeriodSeconds=1")
        for pod in left:
            pod.kill()
        for pod in left:
            pod.wait_gone()

    def _running(self, pod: Json) -> "RunningPod":
        metadata = pod["metadata"]
        return RunningPod(cluster=self, name=metadata["name"], uid=metadata["uid"])

    @property
    def mark(self) -> str:
        return node_id(self.folder / "node")


@dataclass
class RunningPod:
    cluster: Cluster
    name: str
    uid: str

    @property
    def path(self) -> str:
        return f"{self.cluster.path}/pods/{self.name}"

    def get(self) -> Json:
        return self.cluster.api.get(self.path)

    @property
    def status(self) -> Json:
        return dict(self.get().get("status") or {})

    @property
    def phase(self) -> str:
        return str(self.status.get("phase"))

    def condition(self, kind: str) -> Json:
        found = [c for c in self.status.get("conditions") or [] if c["type"] == kind]
        return dict(found[0]) if found else {}

    def container(self, name: str) -> Json:
        status = self.status
        every = [
            *(status.get("initContainerStatuses") or []),
            *(status.get("containerStatuses") or []),
        ]
        return dict(next((c for c in every if c["name"] == name), {"state": {}}))

    def reason(self, name: str) -> str:
        """Why the container waits, or how it ended."""
        details = [found or {} for found in self.container(name)["state"].values()]
        return str(details[0].get("reason", "")) if details else ""

    def exit_code(self, name: str) -> int | None:
        ended = self.container(name)["state"].get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def runs(self, name: str) -> bool:
        return "running" in self.container(name)["state"]

    def wait(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Looks less often than `wait_until`: each look is a call or two."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                text = f"not true after {seconds:g} s: {condition}"
                raise AssertionError(f"{text}\n{self.status}\n{self.events()}")
            time.sleep(0.04)

    def wait_end(self, phase: str) -> Json:
        self.wait(lambda: self.phase in ("Succeeded", "Failed"))
        assert self.phase == phase, self.status
        return self.status

    def wait_running(self, name: str = "main") -> None:
        self.wait(lambda: self.runs(name))

    def log(self, container: str = "main", **query: Any) -> str:
        options = {"container": container, **{k: str(v) for k, v in query.items()}}
        text = "&".join(f"{name}={value}" for name, value in options.items())
        answer = self.cluster.api.call("GET", f"{self.path}/log?{text}")
        assert answer.status_code == 200, answer.text
        return answer.text

    def events(self) -> list[tuple[str, str]]:
        """(reason, message), in the order in which they were recorded."""
        found = self.cluster.api.get(f"{self.cluster.path}/events")["items"]
        own = [e for e in found if e["involvedObject"].get("uid") == self.uid]
        own.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["reason"], event["message"]) for event in own]

    def wait_event(self, reason: str, text: str = "") -> None:
        self.wait(lambda: any(r == reason and text in m for r, m in self.events()))

    def delete(self, grace: float | None = None) -> None:
        query = "" if grace is None else f"?gracePeriodSeconds={grace:g}"
        answer = self.cluster.api.call("DELETE", self.path + query)
        assert answer.status_code in (200, 202), answer.text

    @property
    def gone(self) -> bool:
        return self.cluster.api.call("GET", self.path).status_code == 404

    @property
    def folder(self) -> Path:
        return self.cluster.folder / "node" / "pods" / self.uid

    def pids(self) -> list[int]:
        return [p.pid for p in processes.census(f"{self.cluster.mark}/{self.uid}")]

    def kill(self) -> None:
        """Process 1 of each of its containers."""
        for found in self.folder.glob("containers/*/*/main.json"):
            with suppress(FileNotFoundError):  # it has just been cleared away
                main = json.loads(found.read_text())
                processes.send(main["pid"], main["started"], signal.SIGKILL)

    def wait_gone(self, seconds: float = 60.0) -> None:
        wait_until(lambda: self.gone and not self.folder.exists(), seconds)
        assert self.pids() == []


def shell(script: str, name: str = "main", **more: Any) -> Json:
    """A container that runs a script."""
    return {"name": name, "image": "busybox:1.36", "command": ["sh", "-c", script], **more}


def sidecar(script: str, name: str, **more: Any) -> Json:
    return {**shell(script, name, **more), "restartPolicy": "Always"}


@contextmanager
def start_cluster(folder: Path, *options: str) -> Iterator[Cluster]:
    """All of it ends with the block, and it is an error when anything outlives it."""
    server = launch(folder / "api", "--speed", str(SPEED))
    registry = nodes.launch_registry(folder / "registry")
    started: list[nodes.Launched] = []

    def start_node() -> nodes.Launched:
        path = folder / "node"
        node = nodes.launch_kubelet(path, *QUICK, *options, api=server.url, token=server.token)
        started.append(node)
        return node

    api = Api(server.url, server.token)
    cluster = Cluster(
        api=api, node=start_node(), registry=registry, folder=folder, start_node=start_node
    )
    try:
        wait_until(lambda: api.call("GET", "/api/v1/nodes/node-1").status_code == 200)
        yield cluster
    finally:
        for node in started:
            node.stop(destroy=node is started[-1])
        registry.stop()
        server.stop()
        assert processes.census(node_id(folder / "node")) == []


def run_module(
    module: str, *arguments: str, seconds: float = 30
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
