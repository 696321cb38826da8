"""An image is built once, for all Tasks that need the same one."""

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cluster.elsewhere import layout_of_the_cluster
from tests.cluster.gates import Gates, gates_at
from tests.cluster.plane import Plane
from tests.cluster.repositories import Project, junit

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

DOCKERFILE = "FROM {busybox}\nWORKDIR /app\nCOPY . .\n"
REUSED = b"Using caching version of cmd: "
TEST = f"#!/bin/sh\n{junit()}"


def built(plane: Plane, *tasks: str) -> list[str]:
    """Those of the Tasks of which an agent says that it has built."""
    kinds = {task: [event["type"] for event in plane.events(task)] for task in tasks}
    return [task for task in tasks if "agent.build_finished" in kinds[task]]


def all_pass(plane: Plane, *tasks: str) -> None:
    for task in tasks:
        assert plane.wait_end(task)["category"] == "passed", plane.story(task)


def test_three_tasks_build_once_and_another_suite_run_of_the_commit_builds_nothing(
    plane: Plane,
) -> None:
    project = Project(name="built-once", dockerfile=DOCKERFILE, test=TEST)
    repository = plane.repository(project)
    first = plane.send(repository, shards=3)
    all_pass(plane, *first)
    assert len(built(plane, *first)) == 1
    second = plane.send(repository, shards=2)
    all_pass(plane, *second)
    assert built(plane, *second) == []
    for task in second:
        assert plane.log(task, "build") == b""
    changed = plane.repository(replace(project, files={"one-more": "file\n"}))
    third = plane.send(changed)
    all_pass(plane, *third)
    assert built(plane, *third) == third
    plane.wait_gone(*first, *second, *third)


def test_a_changed_file_reuses_the_layers_of_what_has_not_changed(plane: Plane) -> None:
    layers = "FROM {busybox}\nWORKDIR /app\nCOPY list .\nRUN cp list installed\nCOPY . .\n"
    # The registry may remember an earlier run of this test.
    wanted = f"{secrets.token_hex(8)}\n"
    project = Project(name="layers", dockerfile=layers, test=TEST, files={"list": wanted})
    first = plane.run(project)
    all_pass(plane, first)
    assert REUSED + b"RUN cp list installed" not in plane.log(first, "build")
    second = plane.run(replace(project, files={"list": wanted, "source": "changed\n"}))
    all_pass(plane, second)
    assert REUSED + b"RUN cp list installed" in plane.log(second, "build")
    third = plane.run(replace(project, files={"list": f"{wanted}more\n", "source": "changed\n"}))
    all_pass(plane, third)
    assert REUSED + b"RUN cp list installed" not in plane.log(third, "build")
    plane.wait_gone(first, second, third)


@pytest.fixture
def gates(plane: Plane) -> Iterator[Gates]:
    with gates_at(layout_of_the_cluster().address) as gates:
        yield gates


def test_when_the_builder_is_lost_another_one_builds(plane: Plane, gates: Gates) -> None:
    gated = f"{DOCKERFILE}RUN {gates.shell('builder-lost')}\n"
    tasks = plane.send(
        plane.repository(Project(name="builder-lost", dockerfile=gated, test=TEST)), shards=2
    )
    gates.wait_for("builder-lost")

    def builder() -> str | None:
        kinds = {task: [event["type"] for event in plane.events(task)] for task in tasks}
        return next((task for task in tasks if "agent.build_started" in kinds[task]), None)

    first = plane.wait(builder, 60, lambda: plane.story(tasks[0]))
    (other,) = set(tasks) - {first}
    assert plane.pods(other) == [], "who waits for the image has no Job"
    (pod,) = plane.pods(first)
    place = f"/api/v1/namespaces/{plane.cluster.namespace}/pods/{pod['metadata']['name']}"
    plane.cluster.call("DELETE", place, {"gracePeriodSeconds": 0})
    gates.open("builder-lost")
    all_pass(plane, *tasks)
    assert len(built(plane, *tasks)) == 1
    assert len(plane.task(first)["attempts"]) == 2
    assert len(plane.task(other)["attempts"]) == 1
    plane.wait_gone(*tasks)


def test_a_build_that_fails_ends_all_tasks_of_the_suite_run(plane: Plane) -> None:
    fails = f"{DOCKERFILE}RUN sleep 3 && cat a-list-that-nobody-wrote\n"
    repository = plane.repository(Project(name="failing-build", dockerfile=fails, test=TEST))
    tasks = plane.send(repository, shards=3)
    ended = [plane.wait_end(task) for task in tasks]
    assert [task["category"] for task in ended] == ["build_failed"] * 3, plane.story(tasks[0])
    assert all("A step of the Dockerfile failed" in task["sentence"] for task in ended)
    placed = [attempt["placed_at"] for task in ended for attempt in task["attempts"]]
    assert len(placed) == 3 and len([at for at in placed if at]) == 1, "one Job for all of them"
    plane.wait_gone(*tasks)
