"""The Python client that the product uses, typed and raw."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException

from tests.conformance.cluster import Cluster, Namespace


@pytest.fixture
def jobs(api: client.ApiClient) -> Any:
    """Untyped, since the client takes plain dicts where its types ask for its models."""
    return client.BatchV1Api(api)


@pytest.fixture
def core(api: client.ApiClient) -> Any:
    return client.CoreV1Api(api)


@pytest.fixture
def api(cluster: Cluster) -> Iterator[client.ApiClient]:
    made = config.new_client_from_config(config_file=str(cluster.kubeconfig))
    yield made
    made.close()


def test_it_creates_reads_lists_and_deletes(jobs: Any, namespace: Namespace) -> None:
    made = jobs.create_namespaced_job(
        namespace.name, namespace.job("task", suspend=True), field_validation="Strict"
    )
    assert made.metadata.uid
    assert jobs.read_namespaced_job("task", namespace.name).spec.suspend is True
    (listed,) = jobs.list_namespaced_job(namespace.name, label_selector="job-name=task").items
    assert listed.metadata.name == "task"
    patched = jobs.patch_namespaced_job("task", namespace.name, {"spec": {"suspend": False}})
    assert patched.spec.suspend is False
    jobs.delete_namespaced_job("task", namespace.name, propagation_policy="Background")
    with pytest.raises(ApiException) as error:
        jobs.read_namespaced_job("task", namespace.name)
    assert error.value.status == 404


def test_it_takes_json_as_it_comes(jobs: Any, namespace: Namespace) -> None:
    answer = jobs.create_namespaced_job(
        namespace.name, namespace.job("task", suspend=True), _preload_content=False
    )
    assert answer.status == 201
    assert json.loads(answer.data)["metadata"]["name"] == "task"


def test_an_error_carries_the_status_object(jobs: Any, namespace: Namespace) -> None:
    namespace.create_job(suspend=True)
    with pytest.raises(ApiException) as error:
        jobs.create_namespaced_job(namespace.name, namespace.job("task"))
    assert (error.value.status, json.loads(str(error.value.body))["reason"]) == (
        409,
        "AlreadyExists",
    )


def test_its_watch_sees_what_happens(core: Any, namespace: Namespace) -> None:
    since = core.list_namespaced_secret(namespace.name).metadata.resource_version
    core.create_namespaced_secret(namespace.name, {"metadata": {"name": "s"}})
    core.delete_namespaced_secret("s", namespace.name)
    events = watch.Watch().stream(
        core.list_namespaced_secret, namespace.name, resource_version=since, timeout_seconds=2
    )
    seen = [(event["type"], event["object"].metadata.name) for event in events]
    assert seen == [("ADDED", "s"), ("DELETED", "s")]


def test_it_reads_pods_and_nodes(api: client.ApiClient, core: Any, namespace: Namespace) -> None:
    namespace.create_job()
    name = namespace.bound_pod("task")["metadata"]["name"]
    assert core.read_namespaced_pod(name, namespace.name).spec.node_name == namespace.node
    assert core.read_node(namespace.node).status.allocatable["cpu"] == "4"
    assert client.VersionApi(api).get_code().major == "1"
