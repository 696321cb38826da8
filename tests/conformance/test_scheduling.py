"""Where a pod runs, and what is said when it cannot."""

from tests.conformance.cluster import Json, Namespace, container


def scheduled(pod: Json) -> Json:
    conditions = pod["status"].get("conditions") or []
    found: Json = next((c for c in conditions if c["type"] == "PodScheduled"), {})
    return found


def refused(namespace: Namespace, pod: Json) -> Json:
    namespace.create_job(pod=pod)

    def condition() -> Json | None:
        pods = namespace.pods_of("task")
        return scheduled(pods[0]) if pods and scheduled(pods[0]) else None

    found: Json = namespace.cluster.wait(condition)
    return found


def test_a_pod_gets_a_node_that_it_selects_and_tolerates(namespace: Namespace) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    assert pod["spec"]["nodeName"] == namespace.node
    assert scheduled(pod)["status"] == "True"
    name = pod["metadata"]["name"]
    namespace.cluster.wait(lambda: "Scheduled" in namespace.reasons(name))


def test_too_large_a_request_is_unschedulable(namespace: Namespace) -> None:
    resources = {"requests": {"cpu": "1000"}}
    condition = refused(namespace, {"containers": [container(resources=resources)]})
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert "Insufficient cpu" in condition["message"]
    name = namespace.pods_of("task")[0]["metadata"]["name"]
    namespace.cluster.wait(lambda: "FailedScheduling" in namespace.reasons(name))


def test_a_taint_that_is_not_tolerated_keeps_a_pod_away(namespace: Namespace) -> None:
    condition = refused(namespace, {"tolerations": []})
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert "untolerated taint" in condition["message"]


def test_a_pod_that_waits_is_scheduled_when_there_is_room(namespace: Namespace) -> None:
    large = {"containers": [container(resources={"requests": {"cpu": "3"}})]}
    namespace.create_job("first", pod=large)
    first = namespace.bound_pod("first")
    assert refused(namespace, large)["reason"] == "Unschedulable"
    namespace.say(first, phase="Succeeded")
    assert namespace.bound_pod("task")["spec"]["nodeName"] == namespace.node


def test_sidecars_count_with_the_main_container_and_init_containers_do_not(
    namespace: Namespace,
) -> None:
    two = {"requests": {"cpu": "2"}}
    init = container("init", resources=two)
    main = container(resources=two)
    namespace.create_job("fits", pod={"initContainers": [init], "containers": [main]})
    namespace.say(namespace.bound_pod("fits"), phase="Succeeded")
    sidecar = container("sidecar", resources={"requests": {"cpu": "3"}}, restartPolicy="Always")
    pod = {"initContainers": [sidecar], "containers": [main]}
    assert "Insufficient cpu" in refused(namespace, pod)["message"]


def test_a_pod_that_says_nothing_of_lost_nodes_stays_300_seconds(namespace: Namespace) -> None:
    namespace.create_job()
    tolerations = namespace.bound_pod("task")["spec"]["tolerations"]
    seconds = {t["key"]: t.get("tolerationSeconds") for t in tolerations}
    assert seconds["node.kubernetes.io/not-ready"] == 300
    assert seconds["node.kubernetes.io/unreachable"] == 300
