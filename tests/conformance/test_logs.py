"""Logs of pods that no kubelet has begun, and how a wrong question is answered. What a log says is
up to the kubelet, and these tests have none."""

from tests.conformance.cluster import Answer, Namespace, container


def log_of(namespace: Namespace, pod: str, **query: str) -> Answer:
    path = namespace.of("pods", f"{pod}/log")
    return namespace.cluster.call("GET", path, timestamps="true", **query)


def test_a_pod_without_a_node_has_an_empty_log(namespace: Namespace) -> None:
    namespace.create_job(pod={"nodeSelector": {"conformance": "nowhere"}})
    (pod,) = namespace.cluster.wait(lambda: namespace.pods_of("task"))
    assert log_of(namespace, pod["metadata"]["name"], container="test").status == 204


def test_a_container_that_is_not_in_the_pod_is_refused(namespace: Namespace) -> None:
    namespace.create_job()
    name = namespace.bound_pod("task")["metadata"]["name"]
    answer = log_of(namespace, name, container="other")
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert answer.message == f"container other is not valid for pod {name}"


def test_where_there_are_several_containers_one_must_be_named(namespace: Namespace) -> None:
    pod = {"initContainers": [container("tools")], "containers": [container(), container("other")]}
    namespace.create_job(pod=pod)
    answer = log_of(namespace, namespace.bound_pod("task")["metadata"]["name"])
    assert answer.status == 400
    assert "must be specified" in answer.message
    assert answer.message.endswith("choose one of: [tools test other]")


def test_the_only_main_container_need_not_be_named(namespace: Namespace) -> None:
    nowhere = {"conformance": "nowhere"}
    namespace.create_job(pod={"initContainers": [container("tools")], "nodeSelector": nowhere})
    (pod,) = namespace.cluster.wait(lambda: namespace.pods_of("task"))
    assert log_of(namespace, pod["metadata"]["name"]).status == 204


def test_the_log_of_a_pod_that_is_gone_is_404(namespace: Namespace) -> None:
    answer = log_of(namespace, "nothing", container="test")
    assert (answer.status, answer.reason) == (404, "NotFound")
