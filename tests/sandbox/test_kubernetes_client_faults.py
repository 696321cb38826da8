"""Every fault of the sandbox cluster as the real Python client meets it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError, ReadTimeoutError

from tests.conformance.cluster import container
from tests.sandbox.kubernetes_api import Api

SECONDS = 20
TEMPLATE = {"spec": {"restartPolicy": "Never", "containers": [container()]}}


SERVER_OPTIONS = ("--speed", "20", "--nodes", "2")


@pytest.fixture
def connection(api: Api) -> Iterator[client.ApiClient]:
    """It tries nothing again by itself, so that one fault is one answer."""
    settings = client.Configuration()
    config.load_kube_config(str(api.cluster.kubeconfig), client_configuration=settings)
    settings.retries = False
    with client.ApiClient(settings) as made:
        yield made


@pytest.fixture
def jobs(connection: client.ApiClient) -> Any:
    """Untyped, since the client takes plain dicts where its types ask for its models."""
    return client.BatchV1Api(connection)


@pytest.fixture
def core(connection: client.ApiClient) -> Any:
    return client.CoreV1Api(connection)


def create(jobs: Any, api: Api, name: str = "task", **options: Any) -> Any:
    spec = {"backoffLimit": 0, "suspend": options.pop("suspend", False), "template": TEMPLATE}
    body = {"metadata": {"name": name}, "spec": spec}
    return jobs.create_namespaced_job(
        api.namespace, body, **{"_request_timeout": SECONDS} | options
    )


def names(jobs: Any, api: Api) -> list[str]:
    found = jobs.list_namespaced_job(api.namespace, _request_timeout=SECONDS)
    return [item.metadata.name for item in found.items]


def phases(core: Any, api: Api) -> list[str]:
    found = core.list_namespaced_pod(api.namespace, _request_timeout=SECONDS)
    return [item.status.phase for item in found.items]


def waiting(core: Any, api: Api) -> list[str]:
    found = core.list_namespaced_pod(api.namespace, _request_timeout=SECONDS)
    statuses = [status for pod in found.items for status in pod.status.container_statuses or ()]
    return [status.state.waiting.reason for status in statuses if status.state.waiting]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("409", "Conflict"),
        ("410", "Expired"),
        ("429", "TooManyRequests"),
        ("500", "InternalError"),
    ],
)
def test_a_status_is_an_exception_with_that_status(
    api: Api, jobs: Any, kind: str, reason: str
) -> None:
    api.faults({"kind": kind, "path": "/jobs$", "method": "POST", "count": 1})
    with pytest.raises(ApiException) as error:
        create(jobs, api, suspend=True)
    assert (error.value.status, json.loads(str(error.value.body))["reason"]) == (int(kind), reason)
    assert names(jobs, api) == []
    create(jobs, api, suspend=True)


def test_429_tells_the_client_when_to_come_back(api: Api, jobs: Any) -> None:
    api.faults({"kind": "429", "path": "/jobs", "retry_after": 3, "count": 1})
    with pytest.raises(ApiException) as error:
        names(jobs, api)
    assert error.value.headers and error.value.headers["Retry-After"] == "3"


def test_latency_is_waited_for_or_ends_in_the_clients_timeout(api: Api, jobs: Any) -> None:
    api.faults({"kind": "latency", "path": "/jobs", "seconds": 0.5, "count": 1})
    began = time.monotonic()
    assert names(jobs, api) == []
    assert time.monotonic() - began >= 0.5
    api.faults({"kind": "latency", "path": "/jobs", "seconds": 30, "count": 1})
    with pytest.raises(ReadTimeoutError):
        jobs.list_namespaced_job(api.namespace, _request_timeout=0.3)


def test_a_timeout_after_the_work_leaves_a_job_behind(api: Api, jobs: Any) -> None:
    api.faults({"kind": "hang_answer", "method": "POST", "seconds": 30, "count": 1})
    with pytest.raises(ReadTimeoutError):
        create(jobs, api, suspend=True, _request_timeout=1)
    assert names(jobs, api) == ["task"]
    with pytest.raises(ApiException) as error:
        create(jobs, api, suspend=True)
    assert json.loads(str(error.value.body))["reason"] == "AlreadyExists"


@pytest.mark.parametrize("kind", ["reset", "hang", "drop_answer"])
def test_a_connection_that_breaks_is_no_answer(api: Api, jobs: Any, kind: str) -> None:
    rule = {"kind": kind, "method": "POST", "count": 1}
    api.faults(rule | ({"seconds": 0.1} if kind == "hang" else {}))
    with pytest.raises(HTTPError):
        create(jobs, api, suspend=True)
    assert names(jobs, api) == (["task"] if kind == "drop_answer" else [])


def events(core: Any, api: Api, since: str, seconds: int) -> list[str]:
    """The names that a watch tells of until it ends."""
    stream = watch.Watch().stream(
        core.list_namespaced_secret,
        api.namespace,
        resource_version=since,
        timeout_seconds=seconds,
        _request_timeout=SECONDS,
    )
    return [event["object"].metadata.name for event in stream]


def test_a_silent_watch_tells_nothing_and_a_list_everything(api: Api, core: Any) -> None:
    since = api.version()
    api.faults({"kind": "watch_silent", "path": "secrets"})
    api.add_secret("a")
    assert events(core, api, since, 1) == []
    listed = core.list_namespaced_secret(api.namespace, _request_timeout=SECONDS)
    assert [item.metadata.name for item in listed.items] == ["a"]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("watch_omit", ["a", "c"]),
        ("watch_duplicate", ["a", "b", "b", "c"]),
        ("watch_reorder", ["a", "c", "b"]),
    ],
)
def test_a_watch_lies(api: Api, core: Any, kind: str, told: list[str]) -> None:
    since = api.version()
    api.faults({"kind": kind, "name": "^b$"})
    for name in ("a", "b", "c"):
        api.add_secret(name)
    assert events(core, api, since, 1) == told


def test_a_list_lies(api: Api, jobs: Any) -> None:
    for name in ("a", "b"):
        create(jobs, api, name, suspend=True)
    api.faults({"kind": "omit", "path": "/jobs", "name": "^a$"})
    assert names(jobs, api) == ["b"]


def test_a_lost_pod_leaves_a_failed_job(api: Api, jobs: Any, core: Any) -> None:
    api.faults({"kind": "lost_pod", "seconds": 0.2})
    create(jobs, api)

    def failed() -> bool:
        status = jobs.read_namespaced_job("task", api.namespace, _request_timeout=SECONDS).status
        return any(c.type == "Failed" for c in status.conditions or ())

    api.cluster.wait(failed)
    assert phases(core, api) == []


def test_a_lost_node_is_no_longer_ready_and_its_pod_neither(api: Api, jobs: Any, core: Any) -> None:
    create(jobs, api)
    api.cluster.wait(lambda: phases(core, api) == ["Running"])
    (pod,) = core.list_namespaced_pod(api.namespace, _request_timeout=SECONDS).items
    api.faults({"kind": "lost_node", "name": f"^{pod.spec.node_name}$"})

    def ready(conditions: Any) -> str:
        return str(next(c.status for c in conditions if c.type == "Ready"))

    def node() -> Any:
        return core.read_node(pod.spec.node_name, _request_timeout=SECONDS)

    def mine() -> Any:
        found = core.list_namespaced_pod(api.namespace, _request_timeout=SECONDS).items
        return found[0].status.conditions

    api.cluster.wait(lambda: ready(node().status.conditions) == "Unknown")
    api.cluster.wait(lambda: ready(mine()) == "False")


def test_an_image_cannot_be_pulled(api: Api, jobs: Any, core: Any) -> None:
    api.faults({"kind": "image_pull", "cause": "not_found"})
    create(jobs, api)
    api.cluster.wait(lambda: waiting(core, api) in (["ErrImagePull"], ["ImagePullBackOff"]))
    assert phases(core, api) == ["Pending"]


def test_a_pod_is_pending_for_ever(api: Api, jobs: Any, core: Any) -> None:
    api.faults({"kind": "pending", "name": "^task-"})
    create(jobs, api)
    create(jobs, api, "other")
    api.cluster.wait(lambda: sorted(phases(core, api)) == ["Pending", "Running"])
    api.faults()
    api.cluster.wait(lambda: phases(core, api) == ["Running", "Running"])
