"""Sandboxes for tests: as processes of their own, or in this process under a clock that is driven.

Every one ends with its test, and a test fails when a process of a droplet outlives it.
"""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.digitalocean.application import Application
from sandbox.digitalocean.clock import ManualClock
from sandbox.digitalocean.droplets import destroy_all
from sandbox.digitalocean.launch import TOKEN, Launched, launch
from sandbox.digitalocean.life import Loop, clean
from sandbox.digitalocean.sandbox import Sandbox
from sandbox.digitalocean.server import Server
from sandbox.digitalocean.settings import Settings
from tests.sandbox import kubernetes_api
from tests.sandbox.digitalocean_client import Clocked, Running, processes_of
from tests.sandbox.kubelet_cluster import Cluster, start_cluster

QUICK = (
    "--boot-seconds=0.02:0.05",
    "--agent-seconds=0.02:0.05",
    "--action-seconds=0.02:0.05",
    "--shutdown-seconds=0.1:0.2",
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "digitalocean"


@pytest.fixture
def run(state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    """Start the sandbox of this test, or start it again after it was killed."""
    servers: list[Launched] = []

    def start(*options: str) -> Running:
        server = launch(state, *QUICK, *options)
        servers.append(server)
        monkeypatch.setenv("DIGITALOCEAN_END_POINT", server.endpoint)
        monkeypatch.setenv("PYTHON_DIGITALOCEAN_REQUEST_TIMEOUT_SEC", "20")
        return Running(url=server.url, token=server.token, server=server)

    yield start
    for server in servers[:-1]:
        server.stop(destroy=False)
    for server in servers[-1:]:
        server.stop()
        assert processes_of(state) == []


@pytest.fixture
def clocked(state: Path) -> Iterator[Callable[..., Clocked]]:
    """Start a sandbox with these settings under a manual clock."""
    stops: list[Callable[[], None]] = []

    def start(**changes: Any) -> Clocked:
        settings = Settings(state=state, tokens=frozenset({TOKEN}), **changes)
        clock = ManualClock()
        sandbox = Sandbox(settings, clock)
        server, loop = Server(Application(sandbox), 0), Loop(sandbox)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        loop.start()

        def stop() -> None:
            server.shutdown()
            server.server_close()
            loop.stop()
            destroy_all(sandbox)
            clean(sandbox)
            sandbox.store.close()

        stops.append(stop)
        return Clocked(url=server.url, clock=clock, sandbox=sandbox)

    yield start
    for stop in stops:
        stop()
    assert processes_of(state) == []


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with start_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """One for all tests that leave its processes alone; each has a namespace of its own."""
    own = replace(shared_cluster, namespace=f"ns-{uuid.uuid4().hex[:10]}")
    own.make_namespace()
    yield own
    own.clear()


@pytest.fixture(scope="module")
def mortal_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with start_cluster(tmp_path_factory.mktemp("mortal")) as cluster:
        yield cluster


@pytest.fixture
def own_cluster(mortal_cluster: Cluster) -> Iterator[Cluster]:
    """For tests that kill the kubelet. They may leave it dead."""
    mortal_cluster.namespace = f"ns-{uuid.uuid4().hex[:10]}"
    mortal_cluster.make_namespace()
    yield mortal_cluster
    if mortal_cluster.node.process.poll() is not None:
        mortal_cluster.node = mortal_cluster.start_node()
    mortal_cluster.clear()


@pytest.fixture
def run_kubernetes(tmp_path: Path) -> Iterator[Callable[..., kubernetes_api.Running]]:
    """Start the API server of this test, or start it again after it was killed."""
    servers: list[kubernetes_api.Running] = []

    def start(*options: str) -> kubernetes_api.Running:
        servers.append(kubernetes_api.start(tmp_path / "kubernetes", *options))
        return servers[-1]

    yield start
    for running in servers:
        running.server.stop()


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[kubernetes_api.Running]:
    """The API server of a module, started with its SERVER_OPTIONS."""
    options: tuple[str, ...] = getattr(request.module, "SERVER_OPTIONS", ())
    running = kubernetes_api.start(tmp_path_factory.mktemp("kubernetes"), *options)
    yield running
    running.server.stop()


@pytest.fixture
def api(server: kubernetes_api.Running) -> Iterator[kubernetes_api.Api]:
    """The same, in a namespace of the test's own."""
    yield from kubernetes_api.shared(server)


@pytest.fixture
def clocked_kubernetes(tmp_path: Path) -> Iterator[Callable[..., kubernetes_api.Clocked]]:
    """Start an API server with these settings under a manual clock."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(
            kubernetes_api.clocked(tmp_path / "kubernetes", **changes)
        )
