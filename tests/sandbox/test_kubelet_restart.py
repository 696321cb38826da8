"""Containers outlive the kubelet; the next one finds them again and goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sandbox.kubernetes.kubelet import processes
from sandbox.kubernetes.kubelet.instance import Command, Instance
from sandbox.launching import ROOT
from tests.sandbox.kubelet_cluster import Cluster, RunningPod, shell, sidecar
from tests.waiting import wait_until

STAYS = "trap 'echo told; exit 0' TERM; while :; do sleep 0.05; done"
SHARED: dict[str, Any] = {"volumes": [{"name": "shared", "emptyDir": {}}]}
MOUNT: dict[str, Any] = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}


def main_pid(pod: RunningPod, container: str = "main") -> int:
    path = pod.folder / "containers" / container / "0" / "main.json"
    wait_until(path.exists)
    return int(path.read_text().split('"pid": ')[1].split(",")[0])


def alive(pid: int) -> bool:
    return processes.read_process(pid) is not None


def restart(cluster: Cluster) -> None:
    cluster.node.kill()
    cluster.node = cluster.start_node()


def test_a_killed_kubelet_leaves_its_containers_and_the_next_one_goes_on(
    own_cluster: Cluster,
) -> None:
    pod = own_cluster.run(
        **SHARED,
        initContainers=[sidecar(STAYS, "agent"), shell(STAYS.replace("told", "x"), "clone")],
        containers=[shell("echo main; exit 3", **MOUNT)],
    )
    pod.wait_running("clone")
    before = [main_pid(pod, "agent"), main_pid(pod, "clone")]
    own_cluster.node.kill()
    assert all(map(alive, before))
    os.kill(before[1], signal.SIGTERM)  # it ends while nobody looks
    wait_until(lambda: not alive(before[1]))
    own_cluster.node = own_cluster.start_node()
    pod.wait_end("Failed")
    assert [pod.exit_code(name) for name in ("clone", "main", "agent")] == [0, 3, 0]
    assert pod.container("agent")["restartCount"] == 0
    assert pod.log("agent") == "told\n" and pod.log() == "main\n"


def test_a_pod_that_was_deleted_while_the_kubelet_was_dead_ends_afterwards(
    own_cluster: Cluster,
) -> None:
    pod = own_cluster.run(containers=[shell(STAYS)])
    pod.wait_running()
    pid = main_pid(pod)
    own_cluster.node.kill()
    pod.delete()
    assert alive(pid)
    own_cluster.node = own_cluster.start_node()
    pod.wait_gone()
    assert not alive(pid)


def test_whenever_the_kubelet_is_killed_each_container_runs_once(own_cluster: Cluster) -> None:
    note = "echo {} >> /shared/order; sleep 0.15"
    pod = own_cluster.run(
        **SHARED,
        initContainers=[shell(note.format(n), f"init-{n}", **MOUNT) for n in range(4)],
        containers=[shell("cat /shared/order", **MOUNT)],
    )
    for pause in (0.05, 0.2, 0.35, 0.5):
        time.sleep(pause)  # not waiting for anything: this is the moment of the crash
        restart(own_cluster)
    pod.wait_end("Succeeded")
    assert pod.log() == "0\n1\n2\n3\n"


def test_a_lost_node_takes_its_containers_with_it_and_says_so_when_it_is_back(
    own_cluster: Cluster,
) -> None:
    pod = own_cluster.run(initContainers=[sidecar(STAYS, "agent")], containers=[shell(STAYS)])
    pod.wait_running()
    assert own_cluster.order("lose-node").status_code == 202
    own_cluster.node.process.wait(timeout=20)
    assert pod.pids() == []
    own_cluster.node = own_cluster.start_node()
    pod.wait_end("Failed")
    ended = pod.container("main")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (255, "Unknown")


def test_while_the_kubelet_is_away_containers_run_on_and_nobody_hears_of_them(
    own_cluster: Cluster,
) -> None:
    pod = own_cluster.run(containers=[shell("echo begun; sleep 0.5; exit 0")])
    pod.wait_running()
    assert own_cluster.order("away", seconds=1.5).status_code == 200
    wait_until(lambda: (pod.folder / "containers" / "main" / "0" / "exit.json").exists())
    assert pod.runs("main")
    pod.wait_end("Succeeded")


def test_a_node_that_was_taken_for_lost_says_again_how_its_pods_are(own_cluster: Cluster) -> None:
    pod = own_cluster.run(
        tolerations=[{"operator": "Exists"}],
        containers=[shell(STAYS)],
    )
    pod.wait(lambda: pod.condition("Ready").get("status") == "True")
    own_cluster.order("away", seconds=600)
    pod.wait(lambda: pod.condition("Ready").get("status") == "False")
    own_cluster.order("away", seconds=0)
    pod.wait(lambda: pod.condition("Ready").get("status") == "True")
    assert pod.container("main")["restartCount"] == 0


def test_pods_go_on_while_the_api_server_is_away_and_are_told_of_afterwards(
    own_cluster: Cluster,
) -> None:
    pod = own_cluster.run(
        initContainers=[shell("sleep 0.5", "first")], containers=[shell("exit 6")]
    )
    pod.wait_running("first")
    path = pod.folder / "containers" / "main" / "0" / "exit.json"
    assert own_cluster.api.call("PUT", "/sandbox/outage", {"seconds": 60}).status_code == 200
    wait_until(path.exists)
    assert own_cluster.api.call("PUT", "/sandbox/outage", {"seconds": 0}).status_code == 200
    pod.wait_end("Failed")
    assert pod.exit_code("main") == 6


def test_destroy_all_ends_everything_whether_a_kubelet_runs_or_not(own_cluster: Cluster) -> None:
    command = [sys.executable, "-m", "sandbox.kubernetes.kubelet", "--destroy-all", "--state"]
    for dead in (True, False):
        pod = own_cluster.run(f"pod-{dead}".lower(), containers=[shell(STAYS)])
        pod.wait_running()
        assert pod.pids()
        if dead:
            own_cluster.node.kill()
        subprocess.run([*command, str(own_cluster.folder / "node")], cwd=ROOT, check=True)
        assert pod.pids() == [] and not pod.folder.exists()
        own_cluster.node = own_cluster.start_node()


def test_a_state_directory_has_one_kubelet_at_a_time(own_cluster: Cluster) -> None:
    state = str(own_cluster.folder / "node")
    options = ["--api", own_cluster.api.url, "--token", "x", "--state", state]
    second = subprocess.run(
        [sys.executable, "-m", "sandbox.kubernetes.kubelet", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert second.returncode == 1 and "is in use by a running kubelet" in second.stderr


def test_a_container_whose_shim_was_killed_is_over_and_nothing_of_it_lives(tmp_path: Path) -> None:
    mark = f"test/{tmp_path.name}"
    instance = Instance(tmp_path / "0", mark)
    env = {"PATH": os.environ["PATH"]}
    script = "(setsid sleep 600 &); exec sleep 601"
    child = instance.start(Command(argv=["sh", "-c", script], env=env, cwd=tmp_path))
    assert child and instance.started_at and instance.ended() is None
    family = wait_for_family(mark)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(timeout=10)
    ended = instance.ended()
    assert ended and (ended.code, ended.lost) == (255, True)
    assert not any(alive(pid) for pid in family)


def wait_for_family(mark: str) -> list[int]:
    """The shim and two programs."""
    wait_until(lambda: len(processes.census(mark)) >= 3)
    return [process.pid for process in processes.census(mark)]


def test_a_container_that_was_started_twice_runs_once(tmp_path: Path) -> None:
    mark = f"test/{tmp_path.name}"
    env = {"PATH": os.environ["PATH"]}
    command = Command(argv=["sh", "-c", "echo x >> ran"], env=env, cwd=tmp_path)
    children = [Instance(tmp_path / "0", mark).start(command) for _ in range(3)]
    assert [child is None for child in children] == [False, True, True]
    assert children[0] and children[0].wait(timeout=10) == 0
    assert (tmp_path / "ran").read_text() == "x\n"
