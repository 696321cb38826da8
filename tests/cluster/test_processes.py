import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import processes
from tests.cluster.layout import Layout
from tests.waiting import wait_until

# It starts one, and is not there any more when that has to be found.
LEAVES_A_CHILD = ["sh", "-c", "sleep 60 & exit 0"]


@pytest.fixture
def layout(layout: Layout) -> Iterator[Layout]:
    layout.logs.mkdir()
    yield layout
    processes.end(lambda: processes.marked(layout))


def start(layout: Layout, part: str, *command: str) -> int:
    process = processes.start(layout, part, list(command))
    wait_until(lambda: process.pid in processes.marked(layout) or process.poll() is not None)
    return process.pid


def test_what_was_started_is_found_by_its_part(layout: Layout) -> None:
    pid = start(layout, "etcd", "sleep", "60")
    assert processes.running(layout) == {"etcd": pid}


def test_what_a_part_left_behind_is_found_but_is_not_the_part(layout: Layout) -> None:
    start(layout, "containerd", *LEAVES_A_CHILD)
    wait_until(lambda: not processes.running(layout))
    assert list(processes.marked(layout).values()) == ["containerd"]


def test_all_is_ended_also_what_was_left_behind(layout: Layout) -> None:
    start(layout, "etcd", "sleep", "60")
    start(layout, "containerd", *LEAVES_A_CHILD)
    processes.end(lambda: processes.marked(layout))
    assert processes.marked(layout) == {}


def test_what_ignores_a_polite_signal_is_ended(layout: Layout) -> None:
    start(layout, "kubelet", "sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done")
    processes.end(lambda: processes.marked(layout))
    assert processes.marked(layout) == {}


def test_the_processes_of_another_cluster_are_left_alone(layout: Layout, tmp_path: Path) -> None:
    other = Layout(root=tmp_path / "cluster2")
    other.logs.mkdir(parents=True)
    pid = start(other, "etcd", "sleep", "60")
    start(layout, "etcd", "sleep", "60")
    processes.end(lambda: processes.marked(layout))
    assert processes.running(other) == {"etcd": pid}
    processes.end(lambda: processes.marked(other))


def test_a_process_that_has_our_number_by_chance_is_left_alone(layout: Layout) -> None:
    """It is found once, then it is somebody else's."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        found = iter([{stranger.pid}])
        processes.end(lambda: next(found, set()))
        assert stranger.poll() is None
        stranger.kill()


def test_what_it_says_goes_to_its_log(layout: Layout) -> None:
    start(layout, "etcd", "sh", "-c", "echo out; echo err >&2")
    wait_until(lambda: "err" in layout.log("etcd").read_text())
    assert layout.log("etcd").read_text() == "out\nerr\n"


def test_nothing_of_our_own_environment_is_passed_on(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    start(layout, "etcd", "env")
    wait_until(lambda: processes.MARK in layout.log("etcd").read_text())
    assert "proxy" not in layout.log("etcd").read_text()
    assert "HTTPS_PROXY" in os.environ
