"""A Task whose pod or node is taken away, or that is cancelled, on a node of its own: none of this
touches what other tests run. Each ends as docs/outcomes.md says, is tried again as it says, and
leaves nothing."""

import base64
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.cluster.elsewhere import Elsewhere, layout_of_the_cluster
from tests.cluster.errors import ClusterError
from tests.cluster.gates import Gates, gates_at
from tests.cluster.nodes import Node, second_node
from tests.cluster.plane import TASK_LABEL, Plane, running_plane
from tests.cluster.repositories import Project, compose_with, junit
from tests.run import on_ci

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

Json = dict[str, Any]
AGENT_AND_PAUSE = ("agent", "pause")
# Of a Task that takes longer: it has to be cloned and built in that time too.
TIMEOUT = 25
DOCKERFILE = "FROM {busybox}\nWORKDIR /app\nCOPY . .\n"
# A lost node keeps its pods for so long: after the 20 s until it is taken for lost.
SETTINGS = {
    "SWITCHYARD_KUBE_LOST_NODE_SECONDS": "6",
    # There is nowhere else to go while the node is away.
    "SWITCHYARD_KUBE_UNSCHEDULABLE_GRACE_SECONDS": "180",
    "SWITCHYARD_KUBE_CLASSES": "small:0.05/2:64Mi/1Gi:16Mi/300Mi",
}
WANTS_DATABASE = "    depends_on: {database: {condition: service_healthy}}\n"
DATABASE = """\
  database:
    image: {busybox}
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]
    healthcheck: {test: ["CMD-SHELL", "ASK"], interval: 1s, retries: 100}
"""
STATES = {"passed": "passed", "timeout": "failed", "cancelled": "cancelled"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A control plane whose pods all run on one node, which is ours to take away."""

    plane: Plane
    node: Node
    gates: Gates

    def run(self, name: str, test: str = "", **fields: Any) -> str:
        """A Task whose tests do this, then pass."""
        script = f"#!/bin/sh\nset -e\n{test}\n{junit()}"
        project = Project(name=name, dockerfile=DOCKERFILE, test=script)
        return self.plane.run(project, **fields)

    def run_until(self, gate: str, **fields: Any) -> str:
        """A Task whose tests wait at a gate of its name, once they do."""
        task = self.run(gate, self.gates.shell(gate), **fields)
        self.gates.wait_for(gate)
        return task

    def pod(self, task: str) -> Json:
        (pod,) = self.plane.pods(task)
        return pod

    def reporter(self, task: str) -> Callable[[Json], int]:
        """Makes the final report of the attempt that runs, as its agent would: gives the status."""
        held = [item for item in self.plane.cluster.items("secrets") if "token" in item["data"]]
        (secret,) = (item for item in held if item["metadata"]["labels"][TASK_LABEL] == task)
        token = base64.b64decode(secret["data"]["token"]).decode()
        assignment = secret["metadata"]["labels"]["switchyard/assignment"]
        url = f"{self.plane.stack.url}/api/agent/v1/assignments/{assignment}/finish"
        session = requests.Session()
        session.trust_env = False
        session.headers.update({"Authorization": f"Bearer {token}", "Switchyard-Agent": "1"})
        return lambda report: session.post(url, json=report, timeout=30).status_code

    def attempts(self, task: str) -> list[str]:
        return [attempt["category"] for attempt in self.plane.task(task)["attempts"]]

    def wait_attempts(self, task: str, *categories: str, seconds: float = 60.0) -> None:
        """Until so many have ended: like this."""

        def ended() -> bool:
            return len([found for found in self.attempts(task) if found]) >= len(categories)

        self.plane.wait(ended, seconds, lambda: self.plane.story(task))
        assert self.attempts(task)[: len(categories)] == list(categories), self.plane.story(task)

    def check_end(self, task: str, *categories: str, seconds: float = 60.0) -> Json:
        """All its attempts ended like this, the Task as the last of them; nothing of it is left."""
        ended = self.plane.wait_end(task, seconds)
        assert self.attempts(task) == list(categories), self.plane.story(task)
        assert ended["category"] == categories[-1]
        assert ended["state"] == STATES[categories[-1]]
        self.plane.wait_gone(task, seconds=60.0)
        return ended


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    try:
        layout = layout_of_the_cluster()
        if isinstance(layout, Elsewhere):
            pytest.skip("no node of a cluster that is not ours is taken away")
        with second_node(layout) as node, gates_at(layout.address) as gates:
            settings = {**SETTINGS, "SWITCHYARD_KUBE_RUNTIME_CLASS": node.name}
            with running_plane(tmp_path_factory.mktemp("plane"), settings) as plane:
                yield Place(plane=plane, node=node, gates=gates)
    except ClusterError as error:
        pytest.fail(str(error)) if on_ci() else pytest.skip(str(error))


# Pods that are taken away ---------------------------------------------------------------------


def test_a_pod_that_is_evicted_is_tried_again(place: Place) -> None:
    task = place.run_until("evicted")
    meta = place.pod(task)["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/eviction"
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": meta["name"]}}
    place.node.cluster.must("POST", path, body)
    place.wait_attempts(task, "evicted")
    place.gates.open("evicted")
    place.check_end(task, "evicted", "passed")


def test_tests_that_fill_their_disk_are_told_so_and_tried_again(place: Place) -> None:
    fill = "dd if=/dev/zero of=/tmp/full bs=1M count=400; sleep 300"
    ask = f"wget -q -O /dev/null {place.gates.url}/filled"
    task = place.run("filled", f"{ask} || {{ {fill}; }}")
    place.wait_attempts(task, "disk_full")
    place.gates.open("filled")
    place.check_end(task, "disk_full", "passed")


def test_a_job_whose_own_deadline_is_over_is_tried_again(place: Place) -> None:
    """As where the agent could not end it before."""
    task = place.run_until("deadline")
    meta = place.pod(task)["metadata"]
    path = f"/apis/batch/v1/namespaces/{meta['namespace']}/jobs/{meta['labels']['job-name']}"
    body = {"spec": {"activeDeadlineSeconds": 1}}
    place.node.cluster.must("PATCH", path, body, kind="application/merge-patch+json")
    place.wait_attempts(task, "deadline")
    place.gates.open("deadline")
    place.check_end(task, "deadline", "passed")


def test_tests_that_take_longer_than_their_task_may_are_ended_by_the_agent(place: Place) -> None:
    task = place.run_until("too-long", timeout_seconds=TIMEOUT)
    ended = place.check_end(task, "timeout")
    assert str(TIMEOUT) in ended["sentence"], ended["sentence"]


# Nodes that are taken away --------------------------------------------------------------------


def test_a_node_that_is_away_for_a_while_harms_nothing(place: Place) -> None:
    task = place.run_until("away")
    with kubelet_away(place):
        place.plane.wait(lambda: place.node.ready() == "Unknown", 60.0)
    asked = place.gates.asked("away")
    place.gates.wait_for("away", more_than=asked)
    assert place.attempts(task) == [""], "it is live"
    place.gates.open("away")
    place.check_end(task, "passed")


def test_what_runs_on_a_lost_node_is_lost_and_what_it_reports_later_changes_nothing(
    place: Place,
) -> None:
    """Of one all processes died with the kubelet. Of the other they run on, pass, and end when
    they are told that nobody waits for them; the agent stays until a kubelet ends it."""
    names = ("dead", "alive")
    dead, alive = (place.run(name, place.gates.shell(name)) for name in names)
    for name in names:
        place.gates.wait_for(name)
    pod, late = place.pod(alive), place.reporter(alive)
    assert late({"exit_code": -1}) == 400, "it would be heard"
    with kubelet_away(place):
        place.node.kill_containers(place.pod(dead))
        place.wait_attempts(alive, "node_lost")
        place.gates.open("alive")
        assert late({"exit_code": 0}) == 409
        place.wait_attempts(dead, "node_lost")
        place.plane.wait(lambda: len(place.node.processes_of(pod)) <= len(AGENT_AND_PAUSE), 60.0)
        assert place.attempts(alive)[0] == "node_lost"
        assert place.plane.task(alive)["state"] in ("queued", "assigned")
    place.gates.open("dead")
    for task in (dead, alive):
        place.check_end(task, "node_lost", "passed")


@contextmanager
def kubelet_away(place: Place) -> Iterator[None]:
    place.node.kill_kubelet()
    try:
        yield
    finally:
        place.node.start_kubelet()


# Tasks that are cancelled ---------------------------------------------------------------------


def check_cancelled(place: Place, task: str) -> None:
    """Whatever it was about, it is over at once, and all of it is gone within the grace."""
    place.plane.cancel(task)
    assert place.plane.task(task)["state"] == "cancelled"
    place.check_end(task, "cancelled", seconds=45.0)


def test_cancelled_while_it_waits_for_room(place: Place) -> None:
    with place.node.closed_to_new_pods():
        task = place.run("cancelled-waiting")
        place.plane.wait(lambda: place.plane.pods(task), 30.0)
        assert "nodeName" not in place.pod(task)["spec"]
        check_cancelled(place, task)


def test_cancelled_while_it_is_cloned(place: Place) -> None:
    repository = place.plane.repository(Project(name="cancelled-cloning", dockerfile=DOCKERFILE))
    with git_host_paused(place.plane):
        (task,) = place.plane.send(repository)
        place.plane.wait(lambda: "clone" in running_containers(place, task), 60.0)
        check_cancelled(place, task)


def test_cancelled_while_it_is_built(place: Place) -> None:
    gate = place.gates.shell("cancelled-building")
    dockerfile = f"{DOCKERFILE}RUN {gate}\n"
    task = place.plane.run(Project(name="cancelled-building", dockerfile=dockerfile))
    place.gates.wait_for("cancelled-building")
    check_cancelled(place, task)


def test_cancelled_while_its_services_start(place: Place) -> None:
    ask = f"wget -q -O /dev/null {place.gates.url}/cancelled-services"
    compose = compose_with(WANTS_DATABASE, DATABASE.replace("ASK", ask))
    project = Project(name="cancelled-services", dockerfile=DOCKERFILE, compose=compose)
    task = place.plane.run(project)
    place.gates.wait_for("cancelled-services")
    check_cancelled(place, task)


def test_cancelled_while_its_tests_run(place: Place) -> None:
    check_cancelled(place, place.run_until("cancelled-testing"))


@contextmanager
def git_host_paused(plane: Plane) -> Iterator[None]:
    pid = plane.cluster.git.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def running_containers(place: Place, task: str) -> set[str]:
    statuses = [
        status
        for pod in place.plane.pods(task)
        for status in pod["status"].get("initContainerStatuses") or ()
    ]
    return {status["name"] for status in statuses if "running" in status["state"]}
