"""What a stack makes in a real cluster, and that nothing of it stays behind."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.stack import Given
from sandbox.stack.administrator import Administrator, ClusterRefused
from sandbox.stack.process import Process
from sandbox.stack.real_cluster import RealCluster
from tests.cluster.elsewhere import cluster_kubeconfig
from tests.conformance.cluster import Cluster, unique

# Of processes that are never started: only what is made in the cluster is looked at.
NOWHERE = "127.0.0.1"
ROLES = "/apis/rbac.authorization.k8s.io/v1/{kind}/switchyard-nodes-{namespace}"


def half(state: Path, namespace: str = "", kubeconfig: Path | None = None) -> RealCluster:
    given = Given(
        kubeconfig=kubeconfig or cluster_kubeconfig(),
        address=NOWHERE,
        registry=f"{NOWHERE}:5000/switchyard",
        agent_image="agent",
        builder_image="builder",
        namespace=namespace,
    )

    def process(name: str, *arguments: str) -> Process:
        return Process(name, ["false", *arguments], {}, state, state / f"{name}.log")

    return RealCluster(given, state, process, web_port=1, git_port=2)


def left(namespace: str) -> list[str]:
    cluster = Cluster.of(cluster_kubeconfig())
    kinds = ("clusterroles", "clusterrolebindings")
    paths = [ROLES.format(kind=kind, namespace=namespace) for kind in kinds]
    found = [f"/api/v1/namespaces/{namespace}", *paths]
    return [path for path in found if cluster.call("GET", path).status == 200]


@pytest.mark.cluster
def test_one_that_was_killed_is_cleared_away_by_the_next_with_its_state(tmp_path: Path) -> None:
    killed = half(tmp_path)
    killed.prepare()
    assert len(left(killed.namespace)) == 3
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "one"},
        "spec": {"suspend": True, "template": pod()},
    }
    jobs = f"/apis/batch/v1/namespaces/{killed.namespace}/jobs"
    assert killed.call("POST", jobs, job) is not None
    following = half(tmp_path)
    assert following.namespace == killed.namespace
    following.destroy_containers()
    assert left(killed.namespace) == []
    following.destroy_containers()


@pytest.mark.cluster
def test_a_namespace_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    taken = unique("taken")
    administrator = Administrator(cluster_kubeconfig())
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": taken}}
    administrator.make(body)
    try:
        other = half(tmp_path, taken)
        with pytest.raises(ClusterRefused, match=f"{taken} is there: name another one"):
            other.prepare()
        other.destroy_containers()
        namespace = administrator.call("GET", f"/api/v1/namespaces/{taken}")
        assert namespace["status"]["phase"] == "Active"
    finally:
        administrator.remove(body)


@pytest.mark.parametrize("text", ["", "clusters: []", "{", None])
def test_a_kubeconfig_that_cannot_be_used_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ClusterRefused, match="kubeconfig cannot be used"):
        half(tmp_path, kubeconfig=file).prepare()


def pod() -> dict[str, Any]:
    return {"spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "x"}]}}
