"""ops/kubernetes: what is granted is what is used, and what the sandbox's limited user has."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.checking import NEEDED
from kube.config import config
from sandbox.kubernetes import access

FILE = Path(__file__).resolve().parents[2] / "ops" / "kubernetes" / "worker-namespace.yaml"
Right = tuple[str, str, str]


@pytest.fixture(scope="module")
def objects() -> dict[str, dict[str, Any]]:
    """By kind: there is one of each."""
    found = [item for item in yaml.safe_load_all(FILE.read_text()) if item]
    by_kind = {item["kind"]: item for item in found}
    assert len(by_kind) == len(found)
    return by_kind


def granted(role: dict[str, Any]) -> set[Right]:
    return {
        right
        for rule in role["rules"]
        for right in product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


def test_the_role_grants_what_the_sandbox_grants(objects: dict[str, dict[str, Any]]) -> None:
    allowed = {
        (group, resource, verb)
        for (group, resource), verbs in access._IN_A_NAMESPACE.items()
        for verb in verbs
    }
    assert granted(objects["Role"]) == allowed
    assert granted(objects["ClusterRole"]) == {("", "nodes", v) for v in ("get", "list", "watch")}


def test_the_role_grants_what_preflight_looks_for(objects: dict[str, dict[str, Any]]) -> None:
    needed = {(group, resource, verb) for group, resource, verbs in NEEDED for verb in verbs}
    assert needed <= granted(objects["Role"])


def test_everything_is_in_the_namespace_that_is_the_default(
    objects: dict[str, dict[str, Any]],
) -> None:
    namespace = config().manifest.namespace
    assert objects["Namespace"]["metadata"]["name"] == namespace
    for kind, item in objects.items():
        if kind not in ("Namespace", "ClusterRole", "ClusterRoleBinding"):
            assert item["metadata"]["namespace"] == namespace, kind


def test_pods_are_refused_what_baseline_refuses_and_the_refusal_is_told(
    objects: dict[str, dict[str, Any]],
) -> None:
    labels = objects["Namespace"]["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "warn")} == {
        "baseline"
    }
