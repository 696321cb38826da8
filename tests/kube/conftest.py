"""A sandbox cluster, and the backend that talks to it over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from dispatch.models import Assignment
from kube.worker import KubernetesWorker
from tests.factories import make_assignment, make_suite_run
from tests.kube.cluster import COMPOSE, DOCKERFILE, SandboxCluster, sandbox_cluster

TEXTS = {"compose_text": COMPOSE, "dockerfile_text": DOCKERFILE}


@pytest.fixture
def cluster() -> Iterator[SandboxCluster]:
    cluster = sandbox_cluster()
    cluster.clear()
    yield cluster
    cluster.faults()


@pytest.fixture
def worker(cluster: SandboxCluster) -> KubernetesWorker:
    return KubernetesWorker(cluster.config(relist=0.0))


def queued(**facts: Any) -> Assignment:
    return make_assignment(make_suite_run(backend="kubernetes", **(TEXTS | facts)))


def started(worker: KubernetesWorker, **facts: Any) -> Assignment:
    assignment = queued(**facts)
    assignment.place(worker.start(assignment).external_id)
    return Assignment.by_id(assignment.pk)
