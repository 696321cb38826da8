"""A cluster, and the backend that talks to it over HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dispatch.models import Assignment
from kube.worker import KubernetesWorker
from tests.factories import make_assignment, make_suite_run
from tests.kube.cluster import (
    COMPOSE,
    DOCKERFILE,
    AnyCluster,
    SandboxCluster,
    sandbox_cluster,
)
from tests.kube.image_registry import ImageRegistry, image_registry
from tests.kube.real_cluster import any_cluster

TEXTS = {"compose_text": COMPOSE, "dockerfile_text": DOCKERFILE}


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[AnyCluster]:
    """The sandbox; for what is marked `any_cluster`, the real one where one is given."""
    marked = request.node.get_closest_marker("any_cluster")
    cluster = any_cluster() if marked else sandbox_cluster()
    cluster.clear()
    yield cluster
    if isinstance(cluster, SandboxCluster):
        cluster.faults()


@pytest.fixture
def worker(cluster: AnyCluster) -> KubernetesWorker:
    return KubernetesWorker(cluster.config(relist=0.0))


@pytest.fixture
def registry() -> Iterator[ImageRegistry]:
    registry = image_registry()
    yield registry
    registry.faults()


@pytest.fixture
def sharing(cluster: AnyCluster, registry: ImageRegistry) -> KubernetesWorker:
    """Its images are looked for in the registry's stand-in."""
    place = f"{registry.host}/switchyard"
    config = cluster.config(relist=0.0, registry=place, registry_url="")
    manifest = replace(config.manifest, registry_insecure=True)
    return KubernetesWorker(replace(config, manifest=manifest))


def queued(**facts: Any) -> Assignment:
    return make_assignment(make_suite_run(backend="kubernetes", **(TEXTS | facts)))


def started(worker: KubernetesWorker, **facts: Any) -> Assignment:
    assignment = queued(**facts)
    assignment.place(worker.start(assignment).external_id)
    return Assignment.by_id(assignment.pk)
