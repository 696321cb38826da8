"""PodSecurity "baseline": what it refuses, and what our pods may do under it."""

from collections.abc import Iterator

import pytest

from tests.conformance.cluster import Cluster, Json, Namespace, beat, container
from tests.conformance.conftest import drop_namespace, make_namespace

LABEL = "pod-security.kubernetes.io/"
KANIKO = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "SETFCAP", "KILL"]


@pytest.fixture
def baseline(cluster: Cluster, node: str) -> Iterator[Namespace]:
    beat(cluster, node)
    made = make_namespace(cluster, node, **{f"{LABEL}enforce": "baseline"})
    yield made
    drop_namespace(made)


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        ({"hostNetwork": True}, "host namespaces (hostNetwork=true)"),
        (
            {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]},
            'hostPath volumes (volume "host")',
        ),
        (
            {"containers": [container(securityContext={"capabilities": {"add": ["NET_ADMIN"]}})]},
            'non-default capabilities (container "test" must not include "NET_ADMIN"',
        ),
    ],
)
def test_a_job_is_accepted_with_a_warning_and_its_pod_refused(
    baseline: Namespace, pod: Json, said: str
) -> None:
    answer = baseline.cluster.call("POST", baseline.of("jobs"), baseline.job("task", pod=pod))
    assert answer.status == 201
    (warning,) = answer.warnings
    assert 'would violate PodSecurity \\"baseline:latest\\"' in warning
    assert said in warning.replace("\\", "")
    baseline.cluster.wait(lambda: "FailedCreate" in baseline.reasons("task"))
    messages = [e["message"] for e in baseline.events("task") if e["reason"] == "FailedCreate"]
    assert said in messages[0]
    assert 'violates PodSecurity "baseline:latest"' in messages[0]
    assert baseline.pods_of("task") == []


def test_a_pod_is_refused_with_403(baseline: Namespace) -> None:
    spec = {**baseline.pod_spec(), "hostPID": True}
    body = {"metadata": {"name": "p"}, "spec": spec}
    answer = baseline.cluster.call("POST", baseline.of("pods"), body)
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert 'violates PodSecurity "baseline:latest": host namespaces (hostPID=true)' in (
        answer.message
    )


def test_the_builder_may_have_its_capabilities(baseline: Namespace) -> None:
    context = {
        "runAsUser": 0,
        "capabilities": {"drop": ["ALL"], "add": KANIKO},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod = {"containers": [container(securityContext=context)]}
    answer = baseline.cluster.call("POST", baseline.of("jobs"), baseline.job("task", pod=pod))
    assert (answer.status, answer.warnings) == (201, ())
    assert baseline.bound_pod("task")


def test_where_only_warnings_are_asked_for_the_pod_runs(cluster: Cluster, node: str) -> None:
    beat(cluster, node)
    namespace = make_namespace(cluster, node, **{f"{LABEL}warn": "baseline"})
    answer = cluster.call(
        "POST", namespace.of("jobs"), namespace.job("task", pod={"hostPID": True})
    )
    assert "would violate PodSecurity" in answer.warnings[0]
    assert namespace.bound_pod("task")
    drop_namespace(namespace)


def test_without_the_label_nothing_is_said(namespace: Namespace) -> None:
    job = namespace.job("task", pod={"hostPID": True})
    answer = namespace.cluster.call("POST", namespace.of("jobs"), job)
    assert (answer.status, answer.warnings) == (201, ())
