"""A whole cluster of its own is started, killed and stopped, beside whatever else is up."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import processes, programs
from tests.cluster.asking import kubelet_is_healthy
from tests.cluster.layout import MOST, Layout
from tests.cluster.machine import mounts
from tests.cluster.starting import is_up, start_program
from tests.cluster.stopping import leftovers
from tests.conformance.cluster import Cluster, Json
from tests.waiting import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SECONDS = 300.0
OURS = Layout.numbered(MOST - 1)
# In the order in which they are started.
PARTS = ["node", "docker-registry", "containerd", "kube-apiserver", "kube-scheduler", "kubelet"]


def call(command: str) -> "subprocess.Popen[bytes]":
    arguments = ["-m", "tests.cluster", command, "--number", str(OURS.number)]
    return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)


def must(command: str) -> None:
    assert call(command).wait(SECONDS) == 0


def traces() -> list[str]:
    """Whatever of the machine bears its name, found without the code that cleans up."""
    number, name = OURS.number, OURS.root.name
    links = [path.name for path in Path("/sys/class/net").iterdir()]
    found = [f"link {link}" for link in links if link == f"switchyard{number}"]
    found += [f"mount {point}" for point, _ in mounts() if name in str(point)]
    for folder, below, _ in os.walk("/sys/fs/cgroup"):
        found += [f"cgroup {folder}/{name}"] * (name in below)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if f"/srv/{name}/" in command:
            found.append(f"process {process.name} {command}")
    return found + [f"folder {OURS.root}"] * OURS.root.exists()


def network_namespaces() -> set[str]:
    found = set()
    for pid in Path("/proc").glob("[0-9]*"):
        try:
            found.add(os.readlink(pid / "ns" / "net"))
        except OSError:
            continue
    return found


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    must("down")
    assert traces() == []
    yield
    must("down")
    assert traces() == []
    assert leftovers(OURS) == []


@pytest.fixture
def cluster(nothing_is_left: None) -> Cluster:
    must("up")
    return Cluster.of(OURS.kubeconfig)


def running_pod(cluster: Cluster) -> Json:
    """Not one that ends when it is asked to."""
    test = {"name": "test", "image": OURS.busybox_image, "command": ["sleep", "600"]}
    spec = {"containers": [test], "dnsPolicy": "Default", "automountServiceAccountToken": False}
    path = "/api/v1/namespaces/default/pods"
    cluster.must("POST", path, {"metadata": {"name": "sleeper"}, "spec": spec})

    def pod() -> Json | None:
        found = cluster.must("GET", f"{path}/sleeper")
        return found if found["status"]["phase"] == "Running" else None

    found: Json = cluster.wait(pod, 60.0)
    return found


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_left_of_a_start_that_was_killed(part: str) -> None:
    starter = call("up")
    wait_until(lambda: part in processes.running(OURS), SECONDS)
    starter.kill()
    starter.wait()
    assert leftovers(OURS)


@pytest.mark.parametrize("part", ["etcd", "kubelet"])
def test_a_start_that_is_interrupted_tidies_up_itself(part: str) -> None:
    starter = call("up")
    wait_until(lambda: part in processes.running(OURS), SECONDS)
    starter.send_signal(signal.SIGTERM)
    assert starter.wait(SECONDS) == 130
    assert traces() == []


def test_a_second_start_changes_nothing(cluster: Cluster) -> None:
    before = processes.running(OURS)
    must("up")
    assert processes.running(OURS) == before


def test_what_is_broken_is_started_anew(cluster: Cluster) -> None:
    before = processes.running(OURS)
    os.kill(before["etcd"], signal.SIGKILL)
    wait_until(lambda: not is_up(OURS))
    must("up")
    assert is_up(OURS)
    assert not set(before.values()) & set(processes.running(OURS).values())


def test_a_running_pod_goes_with_it(cluster: Cluster) -> None:
    before = network_namespaces()
    running_pod(cluster)
    (of_the_pod,) = network_namespaces() - before
    must("down")
    assert of_the_pod not in network_namespaces()


def test_a_stop_that_was_killed_can_be_repeated(cluster: Cluster) -> None:
    running_pod(cluster)
    before = len(processes.marked(OURS))
    stopper = call("down")
    wait_until(lambda: len(processes.marked(OURS)) < before)
    stopper.kill()
    stopper.wait()


def test_a_kubelet_that_was_killed_comes_back_to_its_pods(cluster: Cluster) -> None:
    before = running_pod(cluster)
    kubelet = processes.running(OURS)["kubelet"]
    os.kill(kubelet, signal.SIGKILL)
    wait_until(lambda: "kubelet" not in processes.running(OURS))
    start_program(OURS, programs.KUBELET, kubelet_is_healthy)
    path = f"/api/v1/namespaces/default/pods/{before['metadata']['name']}"
    # It is the kubelet who has the log.
    cluster.wait(lambda: cluster.call("GET", f"{path}/log").status == 200, 60.0)
    assert processes.running(OURS)["kubelet"] != kubelet
    assert containers(cluster.must("GET", path)) == containers(before)


def containers(pod: Json) -> list[tuple[str, int]]:
    statuses = pod["status"]["containerStatuses"]
    return [(status["containerID"], status["restartCount"]) for status in statuses]
