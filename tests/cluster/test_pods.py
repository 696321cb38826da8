"""What a real node makes of pods: the signs from which `kube/` tells how an attempt ended."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.layout import MOST, Layout
from tests.conformance.cluster import Cluster, Json, unique

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

SECONDS = 90.0
# On another cluster than ours it is pulled from where that finds it.
ELSEWHERE = "busybox:1.36"


@dataclass(frozen=True, kw_only=True)
class Room:
    """A namespace on a real node. `image` has a shell."""

    cluster: Cluster
    name: str
    image: str

    def of(self, plural: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.name}/{plural}/{name}".rstrip("/")

    def container(self, script: str, name: str = "test", **fields: Any) -> Json:
        return {"name": name, "image": self.image, "command": ["sh", "-c", script], **fields}

    def run(self, *containers: Json, **spec: Any) -> None:
        """A pod called `pod`."""
        pod = {
            "restartPolicy": "Never",
            "dnsPolicy": "Default",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            "containers": list(containers),
            **spec,
        }
        self.cluster.must("POST", self.of("pods"), {"metadata": {"name": "pod"}, "spec": pod})

    def status(self) -> Json:
        status: Json = self.cluster.must("GET", self.of("pods", "pod"))["status"]
        return status

    def wait_for_status(self, condition: Callable[[Json], object]) -> Json:
        def fitting() -> Json | None:
            status = self.status()
            return status if condition(status) else None

        found: Json = self.cluster.wait(fitting, SECONDS)
        return found

    def end(self) -> Json:
        return self.wait_for_status(lambda status: status["phase"] in ("Succeeded", "Failed"))

    def log(self, container: str) -> str:
        answer = self.cluster.call("GET", self.of("pods", "pod") + "/log", container=container)
        assert answer.status == 200, answer
        return str(answer.body["text"])


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster.of(Path(os.environ["CONFORMANCE_KUBECONFIG"]))


@pytest.fixture
def room(cluster: Cluster) -> Iterator[Room]:
    room = Room(cluster=cluster, name=unique("pods"), image=image_of(cluster))
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    body = {"metadata": {"name": room.name, "labels": labels}}
    cluster.must("POST", "/api/v1/namespaces", body)
    account = room.of("serviceaccounts", "default")
    cluster.wait(lambda: cluster.call("GET", account).status == 200)
    yield room
    cluster.call("DELETE", f"/api/v1/namespaces/{room.name}")


def image_of(cluster: Cluster) -> str:
    ours = {layout.api_url: layout for layout in map(Layout.numbered, range(MOST))}
    return ours[cluster.url].busybox_image if cluster.url in ours else ELSEWHERE


def ended(status: Json, number: int = 0) -> Json:
    state: Json = status["containerStatuses"][number]["state"]["terminated"]
    return state


def waiting_reason(status: Json) -> str:
    states = [item["state"] for item in status.get("containerStatuses") or ()]
    return str(states[0].get("waiting", {}).get("reason", "")) if states else ""


def test_a_sidecar_serves_the_main_container_and_ends_after_it(room: Room) -> None:
    serve = (
        "trap 'echo asked to end; exit 0' TERM; httpd -p 8080 -h /etc; while :; do sleep 1; done"
    )
    ask = ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/passwd"]
    probe = {"exec": {"command": ask}, "periodSeconds": 1}
    service = room.container(serve, "service", restartPolicy="Always", startupProbe=probe)
    test = room.container("wget -q -O - http://127.0.0.1:8080/passwd")
    room.run(test, initContainers=[service])
    assert room.end()["phase"] == "Succeeded"
    assert "root:" in room.log("test")
    assert room.log("service") == "asked to end\n"


def test_the_exit_code_and_the_last_words_of_a_container_are_told(room: Room) -> None:
    room.run(room.container("echo the last words > /dev/termination-log; exit 3"))
    state = ended(room.end())
    assert (state["exitCode"], state["reason"]) == (3, "Error")
    assert state["message"] == "the last words\n"


def test_a_container_over_its_memory_limit_is_oom_killed(room: Room) -> None:
    limits = {"limits": {"memory": "32Mi"}}
    room.run(room.container("tail /dev/zero", resources=limits))
    assert ended(room.end())["reason"] == "OOMKilled"


def test_a_pod_over_its_storage_limit_is_evicted(room: Room) -> None:
    fill = "dd if=/dev/zero of=/tmp/full bs=1M count=64; sleep 300"
    room.run(room.container(fill, resources={"limits": {"ephemeral-storage": "16Mi"}}))
    status = room.end()
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")


def test_an_image_that_is_not_there_cannot_be_pulled(room: Room) -> None:
    missing = room.image.rpartition(":")[0] + ":no-such-tag"
    room.run(room.container("true") | {"image": missing})
    reasons = ("ErrImagePull", "ImagePullBackOff")
    status = room.wait_for_status(lambda status: waiting_reason(status) in reasons)
    assert status["phase"] == "Pending"


def test_an_image_of_root_is_refused_where_root_is_forbidden(room: Room) -> None:
    room.run(room.container("true", securityContext={"runAsNonRoot": True}))
    room.wait_for_status(lambda status: waiting_reason(status) == "CreateContainerConfigError")


def test_what_fits_on_no_node_is_unschedulable(room: Room) -> None:
    room.run(room.container("true", resources={"requests": {"cpu": "1000"}}))
    status = room.wait_for_status(lambda status: status.get("conditions"))
    condition = status["conditions"][0]
    assert (condition["type"], condition["reason"]) == ("PodScheduled", "Unschedulable")
    assert status["phase"] == "Pending"


def test_a_privileged_container_is_refused(room: Room) -> None:
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        room.run(room.container("true", securityContext={"privileged": True}))


def test_a_log_comes_while_it_is_written(room: Room) -> None:
    room.run(room.container("echo first; sleep 300"))
    room.wait_for_status(lambda status: status["phase"] == "Running")
    path = room.cluster.url + room.of("pods", "pod") + "/log?follow=true"
    with room.cluster.session.get(path, stream=True, timeout=30) as answer:
        assert next(answer.iter_lines()) == b"first"
    assert room.status()["phase"] == "Running"
