"""The demo with KUBECONFIG set, as an engineer sees the whole thing for real."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.demo import given
from sandbox.stack.stack import free_port
from tests.cluster.demo_environment import demo_environment, write_demo_environment
from tests.cluster.elsewhere import Elsewhere, cluster_kubeconfig, layout_of_the_cluster
from tests.cluster.kept_images import say_here
from tests.cluster.layout import Layout
from tests.conformance.cluster import Cluster
from tests.waiting import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 180.0
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def environ() -> dict[str, str]:
    """Of somebody who was told all that the demo has to know."""
    told = demo_environment(layout_of_the_cluster(), say_here)
    return {**os.environ, "COLUMNS": "60", "KUBECONFIG": str(cluster_kubeconfig()), **told}


@pytest.fixture
def start(tmp_path: Path, environ: dict[str, str]) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start_demo(*arguments: str) -> "subprocess.Popen[str]":
        # A port of its own: its usual one may be taken by another demo while it prepares itself.
        place = ["--state", str(tmp_path / "demo"), "--port", str(free_port())]
        command = [sys.executable, "-m", "sandbox.demo", *place]
        process = subprocess.Popen(
            [*command, *arguments], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start_demo
    for process in started:
        process.terminate()
        process.communicate(timeout=SECONDS)


def namespaces() -> set[str]:
    found = Cluster.of(cluster_kubeconfig()).must("GET", "/api/v1/namespaces")["items"]
    return {item["metadata"]["name"] for item in found}


def with_a_pod(demo: "subprocess.Popen[str]", state: Path) -> str:
    """The namespace of the demo with this folder, once an agent runs there."""
    file = state / "cluster" / "namespace"
    wait_until(lambda: demo.poll() is not None or file.exists(), SECONDS)
    name = file.read_text()
    cluster = Cluster.of(cluster_kubeconfig())

    def begun() -> bool:
        pods = cluster.call("GET", f"/api/v1/namespaces/{name}/pods").body.get("items", [])
        statuses = [one for pod in pods for one in pod["status"].get("initContainerStatuses", [])]
        return any("running" in one["state"] for one in statuses if one["name"] == "agent")

    wait_until(lambda: demo.poll() is not None or begun(), SECONDS)
    assert demo.poll() is None, demo.communicate()[0]
    return name


def test_it_runs_tasks_on_the_cluster_and_removes_what_a_demo_that_was_killed_has_left(
    start: Start, tmp_path: Path
) -> None:
    killed = start("--tasks", "2", "--weight", "100")
    left = with_a_pod(killed, tmp_path / "demo")
    killed.kill()
    killed.wait(10)
    assert left in namespaces()
    demo = start("--tasks", "4", "--weight", "100", "--exit")
    said, _ = demo.communicate(timeout=SECONDS)
    assert demo.returncode == 0, said
    assert "4 of 4 Tasks ended as their repository demands." in said
    assert re.search(r"kubernetes\b.*\b4\b", said)
    (own,) = re.findall(r"namespace (switchyard-[0-9a-f]+)$", said, re.MULTILINE)
    assert own != left and not {own, left} & namespaces()


def test_ctrl_c_leaves_nothing_in_the_cluster(start: Start, tmp_path: Path) -> None:
    demo = start("--tasks", "2", "--weight", "100")
    name = with_a_pod(demo, tmp_path / "demo")
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=SECONDS)
    assert demo.returncode == 130, said
    assert name not in namespaces()


def test_the_file_beside_the_kubeconfig_tells_what_it_has_to_know(
    environ: dict[str, str], tmp_path: Path
) -> None:
    layout = layout_of_the_cluster()
    if isinstance(layout, Elsewhere):
        pytest.skip("only `make cluster` writes one")
    write_demo_environment(layout, say_here)
    ground = given.read({"KUBECONFIG": str(Layout.numbered(layout.number).kubeconfig)})
    assert ground is not None and ground == given.read(environ)
