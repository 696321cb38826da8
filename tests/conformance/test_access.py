"""What may be asked of the server about ourselves, and about itself."""

import pytest

from tests.conformance.cluster import Cluster, Namespace

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@pytest.mark.parametrize(
    ("group", "resource", "subresource"), [("batch", "jobs", ""), ("", "pods", "log")]
)
def test_it_says_whether_we_may_do_something(
    namespace: Namespace, group: str, resource: str, subresource: str
) -> None:
    about = {"namespace": namespace.name, "verb": "get", "group": group, "resource": resource}
    about |= {"subresource": subresource} if subresource else {}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": about},
    }
    answer = namespace.cluster.call("POST", REVIEWS, review)
    assert answer.status == 201
    assert answer.body["status"]["allowed"] is True  # whoever may run these tests may do this
    assert answer.body["spec"]["resourceAttributes"]["verb"] == "get"


def test_it_says_which_kubernetes_it_is(cluster: Cluster) -> None:
    version = cluster.must("GET", "/version")
    major, minor = version["gitVersion"].removeprefix("v").split(".")[:2]
    assert (int(major), int(minor)) >= (1, 33)
