"""Ends that the customer has to know of: what a Task is called then, and what is said of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cluster.plane import Plane
from tests.cluster.repositories import COMPOSE, Project, compose_with, junit

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

DOCKERFILE = "FROM {busybox}\nWORKDIR /app\nCOPY . .\n"
WANTS_DATABASE = "    depends_on: {database: {condition: service_healthy}}\n"
NEVER_READY = """\
  database:
    image: {busybox}
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]
    healthcheck: {test: ["CMD", "test", "-f", "/ready"], interval: 1s, retries: 3}
"""
CRASHES = """\
  database:
    image: {busybox}
    command: ["sh", "-c", "echo 'no password given' >&2; exit 4"]
    healthcheck: {test: ["CMD", "true"], interval: 1s, retries: 3}
"""
NOT_THERE = """\
  database:
    image: {busybox}-of-nobody
    healthcheck: {test: ["CMD", "true"], interval: 1s, retries: 3}
"""


def fills(megabytes: int) -> str:
    """Shell that uses so much memory at once."""
    return f"dd if=/dev/zero of=/dev/null bs={megabytes}M count=1\n"


@dataclass(frozen=True, kw_only=True)
class Case:
    """`attempts`: the categories of all of them. `told` is part of what the customer reads."""

    told: str
    attempts: tuple[str, ...]
    state: str = "failed"
    dockerfile: str = DOCKERFILE
    compose: str = COMPOSE
    test: str = "#!/bin/sh\n" + junit()
    fields: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "tests-that-fail": Case(
        attempts=("failed",),
        told="1 of 3 examples failed",
        test=f"#!/bin/sh\n{junit(passed=2, failed=1)}exit 1\n",
    ),
    "a-dockerfile-that-fails": Case(
        attempts=("build_failed",),
        told="A step of the Dockerfile failed",
        dockerfile=f"{DOCKERFILE}RUN echo installing && cat a-list-that-nobody-wrote\n",
    ),
    "a-base-that-is-not-there": Case(
        attempts=("base_image_not_found",),
        told="base image",
        dockerfile="FROM {busybox}-of-nobody\nCOPY . .\n",
    ),
    "a-service-that-never-gets-ready": Case(
        attempts=("service_failed",),
        told="database never gets ready",
        compose=compose_with(WANTS_DATABASE, NEVER_READY),
    ),
    "a-service-that-crashes": Case(
        attempts=("service_failed",),
        told="no password given",
        compose=compose_with(WANTS_DATABASE, CRASHES),
    ),
    "a-service-that-is-not-there": Case(
        attempts=("service_failed",),
        told="database",
        compose=compose_with(WANTS_DATABASE, NOT_THERE),
    ),
    "memory-of-the-tests": Case(
        attempts=("test_oom", "passed"),
        told="passed",
        state="passed",
        test=f"#!/bin/sh\nset -e\n{fills(1300)}{junit()}",
    ),
    "memory-of-the-build": Case(
        attempts=("build_oom", "passed"),
        told="passed",
        state="passed",
        dockerfile=f"{DOCKERFILE}RUN {fills(1300)}",
    ),
    "more-memory-than-there-is": Case(
        attempts=("test_oom", "test_oom"),
        told="memory",
        test=f"#!/bin/sh\nset -e\n{fills(2600)}{junit()}",
    ),
    "no-room": Case(
        attempts=("unschedulable",) * 3,
        told="memory",
        state="errored",
        compose=compose_with("    mem_limit: 700g\n    mem_reservation: 700g\n"),
    ),
    "more-than-the-quota": Case(
        attempts=("quota",) * 3,
        told="exceeded quota",
        state="errored",
        compose=compose_with("    mem_limit: 900g\n    mem_reservation: 900g\n"),
    ),
}


@pytest.fixture(scope="module")
def tasks(plane: Plane) -> dict[str, str]:
    """All of them at once: the cluster takes as many side by side as it has room for."""
    return {name: plane.run(project(name, case), **case.fields) for name, case in CASES.items()}


def project(name: str, case: Case) -> Project:
    return Project(name=name, dockerfile=case.dockerfile, compose=case.compose, test=case.test)


@pytest.mark.parametrize("name", CASES)
def test_a_task_ends_as_it_should_and_leaves_nothing(
    plane: Plane, tasks: dict[str, str], name: str
) -> None:
    case, task = CASES[name], tasks[name]
    ended = plane.wait_end(task, 150)
    found = tuple(attempt["category"] for attempt in ended["attempts"])
    assert found == case.attempts, plane.story(task)
    assert (ended["state"], ended["category"]) == (case.state, case.attempts[-1])
    assert case.told in ended["sentence"], plane.story(task)
    plane.wait_gone(task)


def test_results_of_a_failing_task_are_there_to_read(plane: Plane, tasks: dict[str, str]) -> None:
    plane.wait_end(tasks["tests-that-fail"])
    summary = plane.results(tasks["tests-that-fail"])["summary"]
    assert (summary["example_count"], summary["failure_count"]) == (3, 1)
    assert summary["exit_code"] == 1


def test_the_builds_log_shows_the_step_that_failed(plane: Plane, tasks: dict[str, str]) -> None:
    plane.wait_end(tasks["a-dockerfile-that-fails"])
    said = plane.log(tasks["a-dockerfile-that-fails"], "build")
    assert b"installing" in said and b"a-list-that-nobody-wrote" in said
