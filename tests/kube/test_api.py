"""The API client: one error class for each reaction, told by what a server really answers."""

from collections.abc import Iterator
from typing import Any

import pytest

from dispatch.backends import Rejected
from kube.api import Cluster, Conflict
from tests.kube.cluster import NAMESPACE, sandbox_cluster


@pytest.fixture
def job() -> Iterator[dict[str, Any]]:
    cluster = sandbox_cluster()
    cluster.clear()
    container = {"name": "test", "image": "registry.example/test:1"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    body = {"metadata": {"name": "task"}, "spec": {"suspend": True, "template": {"spec": pod}}}
    cluster.make("jobs", body)
    yield cluster.get("jobs", "task")
    cluster.clear()


@pytest.fixture
def api(job: dict[str, Any]) -> Cluster:
    kubeconfig = str(sandbox_cluster().limited)
    return Cluster(kubeconfig, NAMESPACE, timeout=5, per_second=1000, threads=2)


def test_a_patch_of_a_job_that_was_made_anew_is_a_conflict(
    api: Cluster, job: dict[str, Any]
) -> None:
    resume = {"spec": {"suspend": False}}
    with pytest.raises(Conflict):
        api.patch("jobs", "task", {**resume, "metadata": {"uid": "of-the-one-before"}})
    assert api.get("jobs", "task")["spec"]["suspend"] is True
    patched = api.patch("jobs", "task", {**resume, "metadata": {"uid": job["metadata"]["uid"]}})
    assert patched["spec"]["suspend"] is False


def test_what_is_not_valid_is_rejected(api: Cluster) -> None:
    with pytest.raises(Rejected):
        api.patch("jobs", "task", {"spec": {"completions": 7}})
