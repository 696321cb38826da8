"""Deleting: what goes with what, and when."""

from tests.conformance.cluster import Json, Namespace


def secret_of(namespace: Namespace, job: Json, name: str = "task") -> None:
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
    }
    body = {"metadata": {"name": name, "ownerReferences": [owner]}, "stringData": {"a": "b"}}
    namespace.cluster.must("POST", namespace.of("secrets"), body)


def delete(namespace: Namespace, policy: str = "Background", **options: Json) -> int:
    body = {"propagationPolicy": policy, **options}
    return namespace.cluster.call("DELETE", namespace.of("jobs", "task"), body).status


def gone(namespace: Namespace, plural: str, name: str) -> bool:
    return namespace.cluster.call("GET", namespace.of(plural, name)).status == 404


def test_in_the_background_a_job_is_gone_at_once_and_its_secret_soon(namespace: Namespace) -> None:
    secret_of(namespace, namespace.create_job(suspend=True))
    assert delete(namespace) == 200
    assert gone(namespace, "jobs", "task")
    namespace.cluster.wait(lambda: gone(namespace, "secrets", "task"))
    assert delete(namespace) == 404


def test_a_secret_whose_owner_is_gone_already_goes_too(namespace: Namespace) -> None:
    job = namespace.create_job(suspend=True)
    delete(namespace)
    secret_of(namespace, job)
    namespace.cluster.wait(lambda: gone(namespace, "secrets", "task"))


def test_an_owner_is_known_by_its_uid_and_not_by_its_name(namespace: Namespace) -> None:
    secret_of(namespace, namespace.create_job(suspend=True))
    delete(namespace)
    namespace.create_job(suspend=True)
    namespace.cluster.wait(lambda: gone(namespace, "secrets", "task"))


def test_a_delete_of_another_uid_is_a_conflict(namespace: Namespace) -> None:
    job = namespace.create_job(suspend=True)
    uid = job["metadata"]["uid"]
    assert delete(namespace, preconditions={"uid": "someone-else"}) == 409
    assert delete(namespace, preconditions={"uid": uid, "resourceVersion": "1"}) == 409
    body = {"propagationPolicy": "Background", "preconditions": {"uid": "someone-else"}}
    answer = namespace.cluster.call("DELETE", namespace.of("jobs", "task"), body)
    assert answer.reason == "Conflict"
    assert not gone(namespace, "jobs", "task")
    assert delete(namespace, preconditions={"uid": uid}) == 200


def test_a_delete_of_a_uid_in_its_version_is_done(namespace: Namespace) -> None:
    namespace.create_job(suspend=True)
    namespace.cluster.wait(lambda: namespace.conditions("task") == ["Suspended"])
    meta = namespace.cluster.must("GET", namespace.of("jobs", "task"))["metadata"]
    wanted = {name: meta[name] for name in ("uid", "resourceVersion")}
    assert delete(namespace, preconditions=wanted) == 200
    assert gone(namespace, "jobs", "task")


def test_what_belongs_to_a_job_can_go_before_it(namespace: Namespace) -> None:
    secret_of(namespace, namespace.create_job(suspend=True))
    path, options = namespace.of("secrets", "task"), {"propagationPolicy": "Background"}
    assert namespace.cluster.call("DELETE", path, options).status == 200
    assert gone(namespace, "secrets", "task")
    assert namespace.cluster.call("DELETE", path, options).status == 404


def test_without_a_policy_the_pods_of_a_job_stay(namespace: Namespace) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    answer = namespace.cluster.call("DELETE", namespace.of("jobs", "task"))
    assert "child pods are preserved by default" in answer.warnings[0]
    namespace.cluster.wait(lambda: gone(namespace, "jobs", "task"))
    (left,) = namespace.pods_of("task")
    assert left["metadata"]["uid"] == pod["metadata"]["uid"]
    assert "ownerReferences" not in left["metadata"]
    assert "deletionTimestamp" not in left["metadata"]


def test_in_the_foreground_a_job_stays_until_its_pods_are_gone(namespace: Namespace) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    assert delete(namespace, "Foreground") == 200
    namespace.cluster.wait(lambda: "deletionTimestamp" in namespace.pods_of("task")[0]["metadata"])
    assert not gone(namespace, "jobs", "task")
    namespace.confirm(pod)
    namespace.cluster.wait(lambda: gone(namespace, "jobs", "task"))


def test_a_pod_on_a_node_without_a_kubelet_stays_terminating(namespace: Namespace) -> None:
    namespace.create_job(pod={"terminationGracePeriodSeconds": 7})
    namespace.bound_pod("task")
    delete(namespace)
    namespace.cluster.wait(lambda: "deletionTimestamp" in namespace.pods_of("task")[0]["metadata"])
    (pod,) = namespace.pods_of("task")
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 7
    namespace.confirm(pod)
    namespace.cluster.wait(lambda: not namespace.pods_of("task"))


def test_a_grace_period_can_only_be_shortened(namespace: Namespace) -> None:
    namespace.create_job()
    path = namespace.of("pods", namespace.bound_pod("task")["metadata"]["name"])
    for asked, left in ((20, 20), (25, 20), (5, 5)):
        pod = namespace.cluster.must("DELETE", path, {"gracePeriodSeconds": asked})
        assert pod["metadata"]["deletionGracePeriodSeconds"] == left


def test_a_pod_without_a_node_is_gone_at_once(namespace: Namespace) -> None:
    spec = {**namespace.pod_spec(), "nodeSelector": {"conformance": "nowhere"}}
    body = {"metadata": {"name": "p"}, "spec": spec}
    namespace.cluster.must("POST", namespace.of("pods"), body)
    namespace.cluster.must("DELETE", namespace.of("pods", "p"))
    assert gone(namespace, "pods", "p")


def test_a_finalizer_holds_an_object_until_it_is_removed(namespace: Namespace) -> None:
    meta = {"name": "s", "finalizers": ["example.com/hold"]}
    namespace.cluster.must("POST", namespace.of("secrets"), {"metadata": meta})
    path = namespace.of("secrets", "s")
    held = namespace.cluster.must("DELETE", path)
    assert "deletionTimestamp" in held["metadata"]
    patch = {"metadata": {"finalizers": None}}
    namespace.cluster.must("PATCH", path, patch, kind="application/merge-patch+json")
    assert gone(namespace, "secrets", "s")


def test_a_collection_is_deleted_by_its_labels(namespace: Namespace) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        body = {"metadata": {"name": name, "labels": {"kind": label}}}
        namespace.cluster.must("POST", namespace.of("secrets"), body)
    namespace.cluster.must("DELETE", namespace.of("secrets"), labelSelector="kind=x")
    found = namespace.cluster.must("GET", namespace.of("secrets"))["items"]
    assert [secret["metadata"]["name"] for secret in found] == ["c"]


def test_an_eviction_deletes_the_pod_and_says_why(namespace: Namespace) -> None:
    namespace.create_job()
    name = namespace.bound_pod("task")["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    namespace.cluster.must("POST", namespace.of("pods", f"{name}/eviction"), body)
    pod = namespace.cluster.must("GET", namespace.of("pods", name))
    assert "deletionTimestamp" in pod["metadata"]
    reasons = {c["type"]: c.get("reason") for c in pod["status"]["conditions"]}
    assert reasons["DisruptionTarget"] == "EvictionByEvictionAPI"


def test_a_namespace_on_its_way_out_takes_nothing_new(namespace: Namespace) -> None:
    namespace.create_job()
    namespace.bound_pod("task")
    namespace.cluster.must("DELETE", namespace.path)
    answer = namespace.cluster.call("POST", namespace.of("secrets"), {"metadata": {"name": "late"}})
    assert answer.status == 403
    assert "because it is being terminated" in answer.message
