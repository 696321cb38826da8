"""Lost pods, lost nodes, images that cannot be pulled, and pods that nobody schedules."""

from collections.abc import Callable, Iterator

import pytest
import requests

from tests.conformance.cluster import LEASES, MERGE, Json, beat, container, make_node, unique
from tests.sandbox.kubernetes_api import NODES, Api, Clocked

LOST = [
    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 20}
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
]


SERVER_OPTIONS = ("--speed", "40", "--nodes", "2")


@pytest.fixture
def node(api: Api) -> Iterator[str]:
    """One that has no kubelet, and is not hollow."""
    name = unique("node")
    make_node(api.cluster, name)
    yield name
    api.call("DELETE", f"{NODES}/{name}")


def ready(api: Api, node: str) -> str:
    conditions = api.must("GET", f"{NODES}/{node}")["status"]["conditions"]
    return str(next(c["status"] for c in conditions if c["type"] == "Ready"))


def waiting(pod: Json, group: str = "containerStatuses") -> list[str]:
    statuses = pod["status"].get(group) or []
    return [status["state"].get("waiting", {}).get("reason", "") for status in statuses]


def test_on_a_hollow_node_a_pod_runs_until_it_is_told_to_end(api: Api) -> None:
    api.create_job(pod={"initContainers": [container("agent", restartPolicy="Always")]})
    api.cluster.wait(lambda: api.phases() == ["Running"])
    (pod,) = api.pods()
    assert [s["state"].keys() for s in pod["status"]["initContainerStatuses"]] == [{"running"}]
    path = api.at("pods", f"{pod['metadata']['name']}/status")
    api.must("PATCH", path, {"status": {"phase": "Succeeded"}}, kind=MERGE)
    api.cluster.wait(lambda: api.conditions() == ["SuccessCriteriaMet", "Complete"])


def test_on_a_hollow_node_a_deleted_pod_is_gone_soon(api: Api) -> None:
    api.create_job(activeDeadlineSeconds=1)
    api.cluster.wait(lambda: api.conditions() == ["FailureTarget", "Failed"])
    assert api.pods() == []


def test_a_lost_pod_is_gone_without_a_word(api: Api) -> None:
    api.faults({"kind": "lost_pod", "name": "^task-", "seconds": 0.2})
    api.create_job()
    api.create_job("other")
    api.cluster.wait(lambda: api.conditions() == ["FailureTarget", "Failed"])
    assert api.pods() == []
    assert api.phases("other") == ["Running"]


def test_the_operator_can_lose_a_pod(api: Api) -> None:
    api.create_job()
    api.cluster.wait(lambda: api.phases() == ["Running"])
    (pod,) = api.pods()
    api.must("PUT", f"/sandbox/pods/{api.namespace}/{pod['metadata']['name']}/lose")
    assert api.pods() == []
    api.cluster.wait(lambda: api.conditions() == ["FailureTarget", "Failed"])


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("not_found", ": not found"),
        ("auth", "insufficient_scope"),
        ("network", "dial tcp"),
    ],
)
def test_an_image_that_cannot_be_pulled_is_tried_again(api: Api, cause: str, said: str) -> None:
    api.faults({"kind": "image_pull", "image": "registry.example/test", "cause": cause})
    api.create_job()
    api.cluster.wait(lambda: api.pods() and waiting(api.pods()[0]) == ["ErrImagePull"])
    (pod,) = api.pods()
    assert pod["status"]["phase"] == "Pending"
    assert said in pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    api.cluster.wait(lambda: waiting(api.pods()[0]) == ["ImagePullBackOff"])


def test_containers_before_the_one_without_an_image_have_run(api: Api) -> None:
    api.faults({"kind": "image_pull", "image": "clone"})
    inits = [container("tools"), {"name": "clone", "image": "clone:1"}, container("last")]
    api.create_job(pod={"initContainers": inits})
    api.cluster.wait(lambda: api.pods() and "initContainerStatuses" in api.pods()[0]["status"])
    (pod,) = api.pods()
    assert waiting(pod, "initContainerStatuses") == ["", "ErrImagePull", "PodInitializing"]
    assert waiting(pod) == ["PodInitializing"]


def test_pods_wait_for_ever_while_the_scheduler_is_paused(api: Api) -> None:
    api.faults({"kind": "pending", "name": "^task-"})
    api.create_job()
    api.create_job("other")
    api.cluster.wait(lambda: api.phases("other") == ["Running"])
    assert api.phases() == ["Pending"]
    api.faults()
    api.cluster.wait(lambda: api.phases() == ["Running"])


def test_what_a_lost_node_ran_is_evicted_and_stays_terminating(api: Api) -> None:
    api.create_job(pod={"tolerations": LOST})
    api.cluster.wait(lambda: api.phases() == ["Running"])
    node = api.pods()[0]["spec"]["nodeName"]
    api.faults({"kind": "lost_node", "name": f"^{node}$"})
    api.cluster.wait(lambda: ready(api, node) == "Unknown")
    api.cluster.wait(lambda: "deletionTimestamp" in api.pods()[0]["metadata"])
    api.cluster.wait(lambda: api.conditions() == ["FailureTarget"])
    api.faults()
    api.cluster.wait(lambda: api.conditions() == ["FailureTarget", "Failed"])
    api.cluster.wait(lambda: ready(api, node) == "True")


def test_where_all_nodes_are_lost_nothing_is_evicted(
    clocked_kubernetes: Callable[..., Clocked],
) -> None:
    api = clocked_kubernetes(nodes=2)
    api.create_job(pod={"tolerations": LOST})
    api.cluster.wait(lambda: api.phases() == ["Running"])
    api.faults({"kind": "lost_node"})
    api.advance(60)
    api.cluster.wait(lambda: {ready(api, f"hollow-{n}") for n in (1, 2)} == {"Unknown"})
    taints = {
        taint["effect"]
        for node in api.must("GET", NODES)["items"]
        for taint in node["spec"].get("taints", [])
    }
    assert taints == {"NoSchedule"}
    api.advance(24 * 3600)
    api.cluster.wait(lambda: not api.reasons())  # events age: so what was due has been looked at
    assert "deletionTimestamp" not in api.pods()[0]["metadata"]


def test_the_kubelet_of_a_lost_node_gets_no_answer(api: Api, node: str) -> None:
    api.faults({"kind": "lost_node", "name": f"^{node}$"})
    with pytest.raises(requests.ConnectionError):
        beat(api.cluster, node)
    with pytest.raises(requests.ConnectionError):
        api.call("GET", api.at("pods"), fieldSelector=f"spec.nodeName={node}")
    with pytest.raises(requests.ConnectionError):
        api.call("GET", f"{LEASES}/{node}")
    assert api.call("GET", f"{NODES}/{node}").status == 200
    api.faults()
    beat(api.cluster, node)


def test_the_watch_of_a_lost_nodes_kubelet_breaks_off(api: Api, node: str) -> None:
    with api.cluster.watch(api.at("pods"), fieldSelector=f"spec.nodeName={node}") as events:
        api.faults({"kind": "lost_node", "name": f"^{node}$"})
        with pytest.raises(requests.RequestException):
            list(events)


def test_a_node_that_is_removed_takes_its_pods_along(api: Api, node: str) -> None:
    api.create_job(pod={"nodeName": node})
    api.cluster.wait(api.pods)
    api.must("DELETE", f"{NODES}/{node}")
    api.cluster.wait(lambda: api.conditions() == ["FailureTarget", "Failed"])
    assert api.pods() == []
