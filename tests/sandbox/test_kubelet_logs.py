"""The log endpoint, through the API server."""

import threading
import time
from pathlib import Path

import pytest
import requests

from sandbox.kubernetes.kubelet import logs
from tests.sandbox.kubelet_cluster import Cluster, shell, sidecar

MINUTE = "2026-01-02T03:{:02d}:00.5Z stdout {} {}\n"


def write(path: Path, *texts: str) -> Path:
    """One entry a minute; a text with ~ at its end goes on in the next."""
    entries = [
        MINUTE.format(at, "P" if text.endswith("~") else "F", text.rstrip("~"))
        for at, text in enumerate(texts)
    ]
    path.write_text("".join(entries))
    return path


def read(path: Path, **query: str) -> str:
    now = logs.parse_time("2026-01-02T03:10:00+00:00")
    return b"".join(logs.read(path, logs.parse(query, now), lambda: True)).decode()


def test_a_log_is_read_whole_or_from_its_end_or_from_a_moment_on(tmp_path: Path) -> None:
    log = write(tmp_path / "log", "one", "tw~", "o", "three")
    assert read(log) == "one\ntwo\nthree\n"
    assert read(log, tailLines="2") == "two\nthree\n"
    assert read(log, tailLines="9") == "one\ntwo\nthree\n"
    assert read(log, tailLines="0") == ""
    assert read(log, sinceSeconds="450") == "three\n"
    assert read(log, sinceTime="2026-01-02T03:02:59Z") == "three\n"
    assert read(log, limitBytes="5") == "one\nt"
    assert read(log, timestamps="true", tailLines="1") == "2026-01-02T03:03:00.5Z three\n"


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(MINUTE.format(0, "F", f"line {n} {'x' * 100}") for n in range(9000)))
    assert read(log, tailLines="3000").startswith("line 6000 ")
    assert read(log, tailLines="3000").count("\n") == 3000


@pytest.mark.parametrize(
    "query", [{"tailLines": "-1"}, {"sinceSeconds": "0"}, {"sinceTime": "now"}, {"limitBytes": "x"}]
)
def test_a_bad_option_is_named(query: dict[str, str]) -> None:
    with pytest.raises(logs.BadOption, match=next(iter(query))):
        logs.parse(query, time.time())


def test_a_log_is_followed_to_its_end(cluster: Cluster) -> None:
    pod = cluster.run(containers=[shell("echo one; sleep 0.5; echo two; printf three")])
    pod.wait_running()
    assert pod.log(follow="true") == "one\ntwo\nthree"
    assert pod.log(tailLines=1) == "three"


def test_the_log_of_the_run_before_can_be_asked_for(cluster: Cluster) -> None:
    script = "echo again; trap 'exit 0' TERM; while :; do sleep 0.05; done"
    first = "test -e /shared/x || { echo first; touch /shared/x; exit 1; }"
    pod = cluster.run(
        volumes=[{"name": "shared", "emptyDir": {}}],
        initContainers=[
            sidecar(
                f"{first}; {script}",
                "agent",
                volumeMounts=[{"name": "shared", "mountPath": "/shared"}],
            )
        ],
        containers=[shell("trap 'exit 0' TERM; while :; do sleep 0.05; done")],
    )
    pod.wait(lambda: pod.container("agent").get("restartCount") == 1 and pod.runs("agent"))
    pod.wait(lambda: pod.log("agent") == "again\n")
    assert pod.log("agent", previous="true") == "first\n"


def test_a_container_that_has_not_begun_has_no_log_yet(cluster: Cluster) -> None:
    pod = cluster.run(
        initContainers=[shell("trap 'exit 0' TERM; while :; do sleep 0.05; done", "wait")],
        containers=[shell("true")],
    )
    pod.wait_running("wait")
    answer = cluster.api.call("GET", f"{pod.path}/log?container=main")
    assert answer.status_code == 400
    assert 'container "main" in pod "pod" is waiting to start: ' in answer.json()["message"]


def test_many_lines_of_two_writers_all_arrive(cluster: Cluster) -> None:
    script = "(seq 1 20000 >&2) & seq 20001 40000; wait"
    pod = cluster.run(containers=[shell(script)])
    pod.wait_end("Succeeded")
    assert sorted(map(int, pod.log().split())) == list(range(1, 40001))


def test_a_reader_who_leaves_does_not_disturb_the_others(cluster: Cluster) -> None:
    pod = cluster.run(containers=[shell("for n in 1 2 3 4 5 6; do echo $n; sleep 0.1; done")])
    pod.wait_running()
    url = f"{cluster.node.url}/containerLogs/{cluster.namespace}/pod/main?follow=true"
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(requests.get(url, timeout=20).text))
    with requests.get(url, stream=True, timeout=20) as leaver:
        next(leaver.iter_content(1))
        reader.start()
    reader.join(timeout=20)
    assert found == ["1\n2\n3\n4\n5\n6\n"]
