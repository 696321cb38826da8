"""The limited token has the rights of the product's Role, and not one more."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
import yaml

from sandbox.kubernetes.kubeconfig import write_kubeconfig
from tests.conformance.cluster import MERGE, Cluster
from tests.sandbox.kubernetes_api import Api, Running, shared

ROLES = Path(__file__).resolve().parents[2] / "ops" / "kubernetes" / "worker-namespace.yaml"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
KINDS = [("batch", "jobs"), ("apps", "deployments"), ("coordination.k8s.io", "leases")] + [
    ("", resource)
    for resource in (
        "pods", "pods/log", "pods/status", "pods/exec", "pods/eviction", "secrets", "configmaps",
        "events", "resourcequotas", "nodes", "namespaces", "serviceaccounts", "limitranges",
    )
]  # fmt: skip
Right = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Both:
    """The same cluster as the administrator and as the limited user see it."""

    admin: Api
    limited: Api


SERVER_OPTIONS = ("--limited-token", "limited", "--nodes", "1")


@pytest.fixture
def both(server: Running, tmp_path: Path) -> Iterator[Both]:
    write_kubeconfig(tmp_path / "kubeconfig", server.server.url, {"limited": "limited"})
    for admin in shared(server):
        limited = Api(Cluster.of(tmp_path / "kubeconfig"), namespace=admin.namespace)
        yield Both(admin=admin, limited=limited)


def granted(kind: str) -> set[Right]:
    """By the objects of this kind that an operator applies."""
    found = [item for item in yaml.safe_load_all(ROLES.read_text()) if item["kind"] == kind]
    return {
        right
        for item in found
        for rule in item["rules"]
        for right in product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


def allowed(api: Api, namespace: str) -> set[Right]:
    """What the cluster says on being asked."""
    found = set()
    for (group, resource), verb in product(KINDS, VERBS):
        name, _, below = resource.partition("/")
        about = {"group": group, "resource": name, "subresource": below, "verb": verb}
        spec = {"resourceAttributes": {**about, "namespace": namespace}}
        if api.must("POST", REVIEWS, {"spec": spec})["status"]["allowed"]:
            found.add((group, resource, verb))
    return found


def test_in_a_namespace_it_may_do_what_role_and_cluster_role_grant(both: Both) -> None:
    assert allowed(both.limited, both.limited.namespace) == granted("Role") | granted("ClusterRole")


def test_in_the_whole_cluster_it_may_only_read_nodes(both: Both) -> None:
    assert allowed(both.limited, "") == granted("ClusterRole")


def test_the_administrator_may_do_everything(both: Both) -> None:
    assert len(allowed(both.admin, both.admin.namespace)) == len(KINDS) * len(VERBS)


def test_what_it_may_do_works(both: Both) -> None:
    api = both.limited
    api.create_job(suspend=True)
    assert api.job()["spec"]["suspend"] is True
    api.must("PATCH", api.at("jobs", "task"), {"spec": {"suspend": False}}, kind=MERGE)
    api.cluster.wait(lambda: api.phases() == ["Running"])
    for kind in ("secrets", "configmaps"):
        api.must("POST", api.at(kind), {"metadata": {"name": "a"}})
    for kind in ("events", "resourcequotas"):
        api.must("GET", api.at(kind))
    api.must("GET", "/api/v1/nodes")
    api.must("DELETE", api.at("jobs", "task"))


@pytest.mark.parametrize(
    ("method", "kind", "name"),
    [
        ("GET", "secrets", ""),
        ("GET", "secrets", "a"),
        ("GET", "configmaps", "a"),
        ("PATCH", "secrets", "a"),
        ("DELETE", "secrets", "a"),
        ("DELETE", "configmaps", "a"),
        ("POST", "pods", ""),
        ("DELETE", "pods", "a"),
        ("PATCH", "pods", "a/status"),
        ("POST", "pods", "a/eviction"),
        ("PUT", "jobs", "a"),
        ("DELETE", "jobs", ""),
        ("GET", "events", "a"),
        ("POST", "events", ""),
        ("GET", "serviceaccounts", ""),
    ],
)
def test_what_it_may_not_do_is_403(both: Both, method: str, kind: str, name: str) -> None:
    both.admin.add_secret("a")
    body = {"metadata": {"name": "a"}} if method in ("POST", "PUT", "PATCH") else None
    content = MERGE if method == "PATCH" else "application/json"
    answer = both.limited.call(method, both.limited.at(kind, name), body, kind=content)
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert "system:serviceaccount:switchyard:switchyard" in answer.message


def test_jobs_of_all_namespaces_and_other_namespaces_are_not_its_own(both: Both) -> None:
    assert both.limited.call("GET", "/apis/batch/v1/jobs").status == 403
    assert both.limited.call("GET", "/api/v1/namespaces").status == 403
    assert (
        both.limited.call("POST", "/api/v1/namespaces", {"metadata": {"name": "x"}}).status == 403
    )


def test_an_unknown_token_is_401_and_none_is_403(both: Both) -> None:
    url = both.admin.cluster.url + both.admin.at("jobs")
    session = both.limited.cluster.session
    assert session.get(url, headers={"Authorization": "Bearer other"}).status_code == 401
    assert session.get(url, headers={"Authorization": None}).status_code == 403
