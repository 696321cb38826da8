"""The API server of these tests: the sandbox, or the one of CONFORMANCE_KUBECONFIG."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.kubernetes.launch import launch
from tests.conformance.cluster import (
    NODES,
    Cluster,
    Namespace,
    beat,
    is_schedulable,
    make_node,
    unique,
)

# So that a lost node is noticed within the patience of a test.
SPEED = 20.0


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if kubeconfig := os.environ.get("CONFORMANCE_KUBECONFIG"):
        yield Cluster.of(Path(kubeconfig), lost_after=60.0)
        return
    state = tmp_path_factory.mktemp("kubernetes")
    sandbox = launch(state, "--speed", str(SPEED))
    try:
        yield Cluster.of(sandbox.kubeconfig, lost_after=60.0 / SPEED)
    finally:
        sandbox.stop()


@pytest.fixture(scope="session")
def node(cluster: Cluster) -> Iterator[str]:
    """Without a kubelet. It is Ready where a test asks for `namespace`."""
    name = unique("conformance")
    make_node(cluster, name)
    yield name
    cluster.call("DELETE", f"{NODES}/{name}")


@pytest.fixture
def namespace(cluster: Cluster, node: str) -> Iterator[Namespace]:
    """Empty, with its ServiceAccount, and a node that is ready."""
    beat(cluster, node)
    made = make_namespace(cluster, node)
    cluster.wait(lambda: is_schedulable(cluster, node))
    yield made
    drop_namespace(made)


def make_namespace(cluster: Cluster, node: str, **labels: str) -> Namespace:
    name = unique("conformance")
    meta = {"name": name, "labels": labels}
    cluster.must("POST", "/api/v1/namespaces", {"metadata": meta})
    namespace = Namespace(cluster=cluster, name=name, node=node)
    account = namespace.of("serviceaccounts", "default")
    cluster.wait(lambda: cluster.call("GET", account).status == 200)
    return namespace


def drop_namespace(namespace: Namespace) -> None:
    """It has pods which no kubelet ends."""
    cluster = namespace.cluster
    cluster.call("DELETE", namespace.path)
    for pod in cluster.call("GET", namespace.of("pods")).body.get("items") or ():
        namespace.confirm(pod)
