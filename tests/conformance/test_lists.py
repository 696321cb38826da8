"""Lists: selectors, pages, and a version to watch from."""

import pytest

from tests.conformance.cluster import Namespace


def fill(namespace: Namespace, count: int) -> list[str]:
    names = [f"s{number:02d}" for number in range(count)]
    for number, name in enumerate(names):
        meta = {"name": name, "labels": {"parity": ("even", "odd")[number % 2], "n": str(number)}}
        namespace.cluster.must("POST", namespace.of("secrets"), {"metadata": meta})
    return names


def listed(namespace: Namespace, plural: str = "secrets", **query: str) -> list[str]:
    found = namespace.cluster.must("GET", namespace.of(plural), **query)
    return [item["metadata"]["name"] for item in found["items"]]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("parity=even", ["s00", "s02", "s04"]),
        ("parity!=even", ["s01", "s03"]),
        ("parity=even,n!=2", ["s00", "s04"]),
        ("n in (1,2)", ["s01", "s02"]),
        ("n notin (1,2,3)", ["s00", "s04"]),
        ("n,!absent", ["s00", "s01", "s02", "s03", "s04"]),
        ("absent", []),
    ],
)
def test_labels_select(namespace: Namespace, selector: str, expected: list[str]) -> None:
    fill(namespace, 5)
    assert listed(namespace, labelSelector=selector) == expected


def test_fields_select_by_name_node_and_phase(namespace: Namespace) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    name = pod["metadata"]["name"]
    node = namespace.node
    for selector, expected in (
        (f"metadata.name={name}", [name]),
        (f"spec.nodeName={node}", [name]),
        (f"spec.nodeName!={node}", []),
        ("status.phase=Pending", [name]),
        (f"status.phase!=Pending,spec.nodeName={node}", []),
    ):
        assert listed(namespace, "pods", fieldSelector=selector) == expected


def test_a_field_that_cannot_be_selected_by_is_refused(namespace: Namespace) -> None:
    answer = namespace.cluster.call("GET", namespace.of("pods"), fieldSelector="spec.hostname=x")
    assert answer.status == 400
    assert "field label not supported: spec.hostname" in answer.message


def test_pages_show_one_moment(namespace: Namespace) -> None:
    names = fill(namespace, 5)
    path, cluster = namespace.of("secrets"), namespace.cluster
    page = cluster.must("GET", path, limit="2")
    assert page["metadata"]["remainingItemCount"] == 3
    cluster.must("DELETE", namespace.of("secrets", "s03"))
    seen = page["items"]
    while token := page["metadata"].get("continue"):
        page = cluster.must("GET", path, limit="2", **{"continue": token})
        seen += page["items"]
    assert [item["metadata"]["name"] for item in seen] == names


def test_a_list_may_be_of_an_exact_version(namespace: Namespace) -> None:
    fill(namespace, 2)
    before = namespace.cluster.must("GET", namespace.of("secrets"))
    namespace.cluster.must("DELETE", namespace.of("secrets", "s00"))
    version = before["metadata"]["resourceVersion"]
    query = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
    assert listed(namespace, **query) == ["s00", "s01"]
    assert listed(namespace) == ["s01"]


def test_a_version_that_was_never_there_is_too_large(namespace: Namespace) -> None:
    answer = namespace.cluster.call("GET", namespace.of("secrets"), resourceVersion="999999999999")
    assert (answer.status, answer.reason) == (504, "Timeout")
    assert "Too large resource version" in answer.message


def test_what_was_written_is_in_the_next_list(namespace: Namespace) -> None:
    for name in fill(namespace, 10):
        assert name in listed(namespace)
        namespace.cluster.must("DELETE", namespace.of("secrets", name))
        assert name not in listed(namespace)


def test_a_list_is_of_one_namespace_or_of_all(namespace: Namespace) -> None:
    namespace.create_job(suspend=True)
    everywhere = namespace.cluster.must("GET", "/apis/batch/v1/jobs", labelSelector="job-name=task")
    found = {item["metadata"]["namespace"] for item in everywhere["items"]}
    assert namespace.name in found
    assert listed(namespace, "jobs") == ["task"]


def test_items_of_a_list_do_not_name_their_kind(namespace: Namespace) -> None:
    namespace.create_job(suspend=True)
    found = namespace.cluster.must("GET", namespace.of("jobs"))
    assert (found["kind"], found["apiVersion"]) == ("JobList", "batch/v1")
    assert "kind" not in found["items"][0]
