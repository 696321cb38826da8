"""Sandbox clusters for tests: as a process of their own, or in this process under a clock that is
driven."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.kubernetes.application import Application
from sandbox.kubernetes.clock import ManualClock
from sandbox.kubernetes.cluster import Cluster as SandboxCluster
from sandbox.kubernetes.controllers.manager import ControllerManager
from sandbox.kubernetes.kubeconfig import write_kubeconfig
from sandbox.kubernetes.launch import Launched, launch
from sandbox.kubernetes.server import Server
from sandbox.kubernetes.settings import Settings
from tests.conformance.cluster import Answer, Cluster, Json, container, unique

NODES = "/api/v1/nodes"


@dataclass
class Api:
    """One sandbox cluster, as its clients and its operator see it, and a namespace in it."""

    cluster: Cluster
    namespace: str = field(default="default", kw_only=True)

    def at(self, plural: str, name: str = "") -> str:
        """The path of a resource in the namespace, or of one object."""
        group = "/apis/batch/v1" if plural == "jobs" else "/api/v1"
        path = f"{group}/namespaces/{self.namespace}/{plural}"
        return f"{path}/{name}" if name else path

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return self.cluster.call(method, path, body, **options)

    def must(self, method: str, path: str, body: Any = None, **options: Any) -> Json:
        return self.cluster.must(method, path, body, **options)

    def faults(self, *rules: Json) -> None:
        self.must("PUT", "/sandbox/faults", list(rules))

    def state(self) -> Json:
        return self.must("GET", "/sandbox/state")

    def add_secret(self, name: str) -> Answer:
        return self.call("POST", self.at("secrets"), {"metadata": {"name": name}})

    def secrets(self, **query: str) -> list[str]:
        return [
            item["metadata"]["name"]
            for item in self.must("GET", self.at("secrets"), **query)["items"]
        ]

    def create_job(self, name: str = "task", **spec: Any) -> Json:
        pod = {"restartPolicy": "Never", "containers": [container()]}
        body = {"backoffLimit": 0, **spec, "template": {"spec": {**pod, **spec.pop("pod", {})}}}
        return self.must("POST", self.at("jobs"), {"metadata": {"name": name}, "spec": body})

    def job(self, name: str = "task") -> Json:
        return self.must("GET", self.at("jobs", name))

    def conditions(self, name: str = "task") -> list[str]:
        conditions = self.job(name)["status"].get("conditions") or []
        return [c["type"] for c in conditions if c["status"] == "True"]

    def pods(self, job: str = "task") -> list[Json]:
        pods: list[Json] = self.must("GET", self.at("pods"), labelSelector=f"job-name={job}")[
            "items"
        ]
        return pods

    def phases(self, job: str = "task") -> list[str]:
        return [pod["status"]["phase"] for pod in self.pods(job)]

    def reasons(self) -> set[str]:
        found = self.must("GET", self.at("events"))
        return {event["reason"] for event in found["items"]}

    def has_account(self) -> bool:
        """Whether the namespace is ready for pods."""
        return self.call("GET", self.at("serviceaccounts", "default")).status == 200

    def version(self) -> str:
        return str(self.must("GET", self.at("secrets"))["metadata"]["resourceVersion"])


@dataclass
class Running(Api):
    """A cluster that is a process of its own."""

    server: Launched

    def kill(self) -> None:
        """SIGKILL."""
        self.server.kill()


@dataclass
class Clocked(Api):
    """A cluster in this process, whose time a test moves."""

    clock: ManualClock
    sandbox: SandboxCluster

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


def shared(running: Running) -> Iterator[Api]:
    """A cluster that others use as well: a namespace of its own, and no faults before and after."""
    api = Api(cluster=running.cluster, namespace=unique("ns"))
    api.faults()
    api.must("POST", "/api/v1/namespaces", {"metadata": {"name": api.namespace}})
    api.cluster.wait(api.has_account)
    yield api
    api.faults()
    api.must("PUT", "/sandbox/outage", {"seconds": 0})
    api.must("DELETE", f"/api/v1/namespaces/{api.namespace}")


def start(state: Path, *options: str) -> Running:
    server = launch(state, *options)
    api = Running(cluster=Cluster.of(server.kubeconfig), server=server)
    api.cluster.wait(api.has_account)
    return api


@contextmanager
def clocked(state: Path, **changes: Any) -> Iterator[Clocked]:
    """Its event loop runs in a thread."""
    settings = Settings(state=state, token="token", **changes)
    ready, box = threading.Event(), dict[str, Any]()
    clock = ManualClock()

    async def serve() -> None:
        sandbox = SandboxCluster(settings, clock)
        server, controllers = Server(Application(sandbox), 0), ControllerManager(sandbox)
        await server.start()
        controllers.start()
        box.update(
            url=server.url, sandbox=sandbox, stop=asyncio.Event(), loop=asyncio.get_running_loop()
        )
        ready.set()
        await box["stop"].wait()
        await server.stop()
        sandbox.store.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(20)
    kubeconfig = state / "kubeconfig"
    write_kubeconfig(kubeconfig, box["url"], {"admin": "token"})
    try:
        api = Clocked(cluster=Cluster.of(kubeconfig), clock=clock, sandbox=box["sandbox"])
        api.advance(settings.namespace_delay)
        api.cluster.wait(api.has_account)
        yield api
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(timeout=20)
    assert not thread.is_alive()
