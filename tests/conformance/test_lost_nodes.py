"""A node that falls silent: how long it takes, and what becomes of its pods."""

from collections.abc import Iterator

import pytest

from tests.conformance.cluster import (
    NODES,
    Cluster,
    Json,
    Namespace,
    beat,
    is_schedulable,
    make_node,
    unique,
)
from tests.conformance.conftest import drop_namespace, make_namespace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

LOST = [
    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
]
AGREED = {"key": "conformance", "operator": "Exists"}


@pytest.fixture
def lost(cluster: Cluster, node: str) -> Iterator[Namespace]:
    """With a node of its own that is about to be silent. The other one keeps the cluster alive:
    where all are silent nothing is evicted."""
    name = unique("silent")
    make_node(cluster, name)
    made = make_namespace(cluster, name)
    cluster.wait(lambda: is_schedulable(cluster, name))
    yield made
    drop_namespace(made)
    cluster.call("DELETE", f"{NODES}/{name}")


def until(cluster: Cluster, node: str, condition: object) -> None:
    """Wait for something to happen to a silent node, while the other one goes on beating."""

    def met() -> bool:
        beat(cluster, node)
        return bool(condition() if callable(condition) else condition)

    cluster.wait(met, seconds=3 * cluster.lost_after + cluster.patience)


def ready(status: Json) -> str:
    conditions = status.get("conditions") or []
    return str(next((c["status"] for c in conditions if c["type"] == "Ready"), ""))


def test_its_pods_are_not_ready_then_terminate_and_the_job_does_not_fail(
    lost: Namespace, cluster: Cluster, node: str
) -> None:
    lost.create_job(pod={"tolerations": [AGREED, *LOST]})
    pod = lost.bound_pod("task")
    running = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    lost.say(pod, **running)

    def its_pod() -> Json:
        return lost.pods_of("task")[0]

    until(cluster, node, lambda: ready(its_pod()["status"]) == "False")
    assert ready(cluster.must("GET", f"{NODES}/{lost.node}")["status"]) == "Unknown"

    def taints() -> set[tuple[str, str]]:
        found = cluster.must("GET", f"{NODES}/{lost.node}")["spec"]["taints"]
        return {(taint["key"], taint["effect"]) for taint in found}

    until(cluster, node, lambda: ("node.kubernetes.io/unreachable", "NoSchedule") in taints())
    until(cluster, node, lambda: "deletionTimestamp" in its_pod()["metadata"])
    disruption = {c["type"]: c.get("reason") for c in its_pod()["status"]["conditions"]}
    assert disruption["DisruptionTarget"] == "DeletionByTaintManager"
    cluster.wait(lambda: lost.conditions("task") == ["FailureTarget"])
    assert its_pod()["status"]["phase"] == "Running"

    # Its containers may run on and report; only what the node confirms is over.
    lost.confirm(pod)
    cluster.wait(lambda: lost.conditions("task") == ["FailureTarget", "Failed"])


def test_a_node_that_comes_back_in_time_harms_nothing(
    lost: Namespace, cluster: Cluster, node: str
) -> None:
    patient = [{**toleration, "tolerationSeconds": 3000} for toleration in LOST]
    lost.create_job(pod={"tolerations": [AGREED, *patient]})
    pod = lost.bound_pod("task")
    lost.say(pod, phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    until(cluster, node, lambda: not is_schedulable(cluster, lost.node))
    beat(cluster, lost.node)
    until(cluster, node, lambda: is_schedulable(cluster, lost.node))
    lost.say(pod, phase="Succeeded")
    cluster.wait(lambda: lost.conditions("task") == ["SuccessCriteriaMet", "Complete"])
