"""Images that the node may not pull: the customer's service's, and ours."""

from collections.abc import Iterator

import pytest

from tests.cluster.elsewhere import Elsewhere
from tests.cluster.plane import Plane
from tests.cluster.refusing import refusing_registry
from tests.cluster.repositories import Project, compose_with, junit

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

DOCKERFILE = "FROM {busybox}\nWORKDIR /app\nCOPY . .\n"
WANTS_DATABASE = "    depends_on: {database: {condition: service_started}}\n"


@pytest.fixture(scope="module")
def registry(plane: Plane) -> Iterator[str]:
    if isinstance(plane.layout, Elsewhere):
        pytest.skip("its nodes are not this machine, on which the registry that refuses is")
    with refusing_registry() as host:
        yield host


def project(name: str, services: str = "") -> Project:
    compose = compose_with(WANTS_DATABASE if services else "", services)
    test = f"#!/bin/sh\n{junit()}"
    return Project(name=name, dockerfile=DOCKERFILE, compose=compose, test=test)


def test_an_image_of_ours_that_is_denied_is_no_fault_of_the_customer(
    plane: Plane, registry: str
) -> None:
    with plane.controller_with(SWITCHYARD_KUBE_AGENT_IMAGE=f"{registry}/agent:1"):
        task = plane.run(project("our-image-denied"))
        ended = plane.wait_end(task, 120)
    attempts = [attempt["category"] for attempt in ended["attempts"]]
    assert attempts == ["image_pull_auth"] * 3, plane.story(task)
    assert (ended["state"], ended["category"]) == ("errored", "image_pull_auth")
    assert f"{registry}/agent:1" in ended["sentence"] and "401" in ended["sentence"]
    plane.wait_gone(task)


def test_a_services_image_that_is_denied_is_named(plane: Plane, registry: str) -> None:
    task = plane.run(
        project("service-denied", f"  database:\n    image: {registry}/private/db:1\n")
    )
    ended = plane.wait_end(task, 120)
    assert ended["category"] == "service_failed", plane.story(task)
    assert ended["state"] == "failed"
    assert f"{registry}/private/db:1" in ended["sentence"]
    plane.wait_gone(task)
