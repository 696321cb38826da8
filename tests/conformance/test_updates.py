"""Replacing and patching: what may change, and who wins."""

from typing import Any

import pytest

from tests.conformance.cluster import JSON_PATCH, MERGE, STRATEGIC, Json, Namespace, container


def patch(namespace: Namespace, body: Any, kind: str = MERGE, **query: str) -> Any:
    path = namespace.of("jobs", "task")
    return namespace.cluster.call("PATCH", path, body, kind=kind, **query)


def test_a_replacement_of_an_old_version_is_a_conflict(namespace: Namespace) -> None:
    old = namespace.create_job(suspend=True)
    patch(namespace, {"metadata": {"labels": {"a": "b"}}})
    answer = namespace.cluster.call("PUT", namespace.of("jobs", "task"), old)
    assert (answer.status, answer.reason) == (409, "Conflict")
    assert "the object has been modified" in answer.message


def test_a_patch_that_names_an_old_version_is_a_conflict(namespace: Namespace) -> None:
    old = namespace.create_job(suspend=True)["metadata"]["resourceVersion"]
    patch(namespace, {"metadata": {"labels": {"a": "b"}}})
    body = {"metadata": {"resourceVersion": old}, "spec": {"suspend": False}}
    assert patch(namespace, body).status == 409


def test_every_change_has_a_newer_version(namespace: Namespace) -> None:
    first = namespace.create_job(suspend=True)
    second = patch(namespace, {"metadata": {"labels": {"a": "b"}}}).body
    versions = [int(obj["metadata"]["resourceVersion"]) for obj in (first, second)]
    assert versions[0] < versions[1]


def test_a_patch_that_changes_nothing_makes_no_version(namespace: Namespace) -> None:
    namespace.create_job(suspend=True)
    namespace.cluster.wait(lambda: namespace.conditions("task") == ["Suspended"])
    body = {"metadata": {"labels": {"a": "b"}}}
    versions = {patch(namespace, body).body["metadata"]["resourceVersion"] for _ in range(2)}
    assert len(versions) == 1


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"completions": 2}, "spec.completions"),
        ({"completionMode": "Indexed"}, "spec.completionMode"),
        (
            {"template": {"spec": {"containers": [container(image="other")]}}},
            "spec.template",
        ),
    ],
)
def test_what_a_job_runs_cannot_change(namespace: Namespace, spec: Json, field: str) -> None:
    namespace.create_job(suspend=True)
    answer = patch(namespace, {"spec": spec})
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert field in answer.fields


def test_a_job_may_be_suspended_and_resumed(namespace: Namespace) -> None:
    namespace.create_job(suspend=True)
    assert patch(namespace, {"spec": {"suspend": False}}).body["spec"]["suspend"] is False


def test_a_patch_that_names_the_uid_is_of_that_object_alone(namespace: Namespace) -> None:
    """So a Job that was made anew under the same name is not released in place of the old one."""
    uid = namespace.create_job(suspend=True)["metadata"]["uid"]
    resume = {"spec": {"suspend": False}}
    answer = patch(namespace, {**resume, "metadata": {"uid": f"{uid[:-4]}0000"}})
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert "metadata.uid" in answer.fields
    assert namespace.cluster.must("GET", namespace.of("jobs", "task"))["spec"]["suspend"] is True
    assert patch(namespace, {**resume, "metadata": {"uid": uid}}).body["spec"]["suspend"] is False


def test_a_spec_change_counts_as_a_generation_and_a_label_does_not(namespace: Namespace) -> None:
    namespace.create_job(suspend=True)
    labelled = patch(namespace, {"metadata": {"labels": {"a": "b"}}}).body
    resumed = patch(namespace, {"spec": {"suspend": False}}).body
    assert labelled["metadata"]["generation"] == 1
    assert resumed["metadata"]["generation"] == 2


def test_a_merge_patch_removes_what_is_null(namespace: Namespace) -> None:
    namespace.create_job(suspend=True, meta={"labels": {"a": "b", "c": "d"}})
    patched = patch(namespace, {"metadata": {"labels": {"a": None}}}).body
    assert patched["metadata"]["labels"] == {"c": "d"}


def test_a_json_patch_tests_and_sets(namespace: Namespace) -> None:
    namespace.create_job(suspend=True)
    test = {"op": "test", "path": "/spec/suspend", "value": True}
    replace = {"op": "replace", "path": "/spec/suspend", "value": False}
    assert patch(namespace, [test, replace], JSON_PATCH).status == 200
    assert patch(namespace, [test, replace], JSON_PATCH).status == 422


def test_a_strategic_patch_merges_lists_by_their_key(namespace: Namespace) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    one = {"type": "One", "status": "True"}
    two = {"type": "Two", "status": "True"}
    namespace.say(pod, conditions=[one, two])
    said = namespace.say(pod, conditions=[{"type": "One", "status": "False"}])
    found = {c["type"]: c["status"] for c in said["status"]["conditions"]}
    assert (found["One"], found["Two"]) == ("False", "True")


def test_a_patch_of_an_unknown_type_is_415(namespace: Namespace) -> None:
    namespace.create_job(suspend=True)
    assert patch(namespace, {"spec": {}}, "application/json").status == 415


def test_a_patch_of_what_is_missing_is_404(namespace: Namespace) -> None:
    assert patch(namespace, {"spec": {"suspend": True}}, STRATEGIC).status == 404


def test_the_status_is_changed_by_its_own_path_alone(namespace: Namespace) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    path = namespace.of("pods", pod["metadata"]["name"])
    body = {"status": {"phase": "Failed"}}
    assert namespace.cluster.must("PATCH", path, body, kind=MERGE)["status"]["phase"] == "Pending"
    assert namespace.say(pod, phase="Failed")["status"]["phase"] == "Failed"


def test_an_immutable_secret_stays_as_it_is(namespace: Namespace) -> None:
    body = {"metadata": {"name": "s"}, "immutable": True, "stringData": {"a": "b"}}
    namespace.cluster.must("POST", namespace.of("secrets"), body)
    path = namespace.of("secrets", "s")
    for change in ({"stringData": {"a": "c"}}, {"immutable": False}):
        answer = namespace.cluster.call("PATCH", path, change, kind=MERGE)
        assert answer.status == 422
        assert "field is immutable when `immutable` is set" in answer.message


def test_a_pod_keeps_its_spec(namespace: Namespace) -> None:
    namespace.create_job()
    path = namespace.of("pods", namespace.bound_pod("task")["metadata"]["name"])
    answer = namespace.cluster.call("PATCH", path, {"spec": {"hostname": "x"}}, kind=MERGE)
    assert answer.status == 422
    assert "pod updates may not change fields other than" in answer.message


def test_strict_refuses_an_unknown_field_in_a_patch(namespace: Namespace) -> None:
    namespace.create_job(suspend=True)
    answer = patch(namespace, {"spec": {"stop": 1}}, fieldValidation="Strict")
    assert answer.status == 422
    assert 'unknown field "spec.stop"' in answer.message
