"""What the sandbox's node really shows of a pod is read as it was meant to be."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from kube.reading import Grace, Reading
from kube.status import read
from tests.kube.pods import job
from tests.sandbox.kubelet_cluster import Cluster, RunningPod, shell, sidecar, start_cluster

Json = dict[str, Any]
PROBE = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 3}
SHORT = Grace(pull=1, set_up=1, config=1, reported=5)
FOREVER = "while true; do sleep 0.1; done"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with start_cluster(tmp_path_factory.mktemp("node")) as cluster:
        cluster.make_namespace()
        yield cluster


@pytest.fixture(autouse=True)
def cleared(node: Cluster) -> Iterator[None]:
    yield
    node.clear()


def run(node: Cluster, name: str, *services: Json, test: Json | None = None, **spec: Any) -> Any:
    inits = [sidecar(FOREVER, "agent"), *services]
    main = test or shell(FOREVER, "test")
    return node.run(name, initContainers=inits, containers=[main], **spec)


def reading(node: Cluster, pod: RunningPod, grace: Grace = SHORT) -> Reading:
    events = node.api.get(f"{node.path}/events")["items"]
    return read(job(), [pod.get()], events, timezone.now(), grace)


def wait_end(node: Cluster, pod: RunningPod, grace: Grace = SHORT) -> Reading:
    pod.wait(lambda: reading(node, pod, grace).ended)
    return reading(node, pod, grace)


def test_a_pod_that_runs(node: Cluster) -> None:
    pod = run(node, "fine", sidecar(FOREVER, "db", startupProbe=PROBE))
    pod.wait_running("test")
    assert reading(node, pod) == Reading()


def test_a_service_that_never_gets_ready(node: Cluster) -> None:
    node.faults({"kind": "never_ready", "container": "db"})
    pod = run(node, "unready", sidecar(FOREVER, "db", startupProbe=PROBE))
    pod.wait(lambda: "not ready yet" in reading(node, pod).pending)
    found = wait_end(node, pod)
    assert found.ended == "service_failed" and "db never gets ready" in found.detail
    assert "Startup probe failed" in found.detail


def test_one_that_ends_well_when_it_is_told_to_never_gets_ready_either(node: Cluster) -> None:
    node.faults({"kind": "never_ready", "container": "db"})
    polite = f"trap 'exit 0' TERM; {FOREVER}"
    pod = run(node, "polite", sidecar(polite, "db", startupProbe=PROBE))
    assert "db never gets ready" in wait_end(node, pod).detail


def test_a_service_that_keeps_crashing(node: Cluster) -> None:
    # However long a slow machine lets it live, it never gets so far that the tests begin.
    unready = {**PROBE, "exec": {"command": ["false"]}}
    crash = shell("echo no password given >&2; exit 4", "db", startupProbe=unready)
    told = {"restartPolicy": "Always", "terminationMessagePolicy": "FallbackToLogsOnError"}
    found = wait_end(node, run(node, "crashing", {**crash, **told}))
    assert found.ended == "service_failed" and "db keeps crashing" in found.detail
    assert "exit code 4" in found.detail and "no password given" in found.detail


def test_a_service_that_others_wait_for(node: Cluster) -> None:
    pod = run(node, "migrating", shell("echo no table >/dev/termination-log; exit 3", "migrate"))
    found = wait_end(node, pod)
    assert found.ended == "service_failed" and "exit code 3 no table" in found.detail


@pytest.mark.parametrize(
    "kind,category",
    [
        ("pull_not_found", "service_failed"),
        ("pull_denied", "service_failed"),
        ("pull_unauthorized", "image_pull_auth"),
        ("pull_no_host", "image_pull_network"),
    ],
)
def test_a_services_image_that_cannot_be_pulled(node: Cluster, kind: str, category: str) -> None:
    node.faults({"kind": kind, "container": "db"})
    pod = run(
        node, f"pull-{kind.replace('_', '-')}", {**sidecar(FOREVER, "db"), "image": "ours/db"}
    )
    assert wait_end(node, pod).ended == category


def test_a_pull_reads_alike_while_it_is_tried_and_while_it_is_waited_for(node: Cluster) -> None:
    node.faults({"kind": "pull_not_found", "container": "test"})
    pod = run(node, "pull-test", test={**shell(FOREVER, "test"), "image": "ours/test"})
    for reason in ("ErrImagePull", "ImagePullBackOff"):
        pod.wait(lambda reason=reason: pod.reason("test") == reason)
        assert wait_end(node, pod).ended == "image_pull_not_found"


def test_a_volume_that_cannot_be_mounted(node: Cluster) -> None:
    volumes = [{"name": "own", "secret": {"secretName": "never-made"}}]
    mounted = sidecar(FOREVER, "db", volumeMounts=[{"name": "own", "mountPath": "/own"}])
    found = wait_end(node, run(node, "mount", mounted, volumes=volumes))
    assert found.ended == "config_error" and "never-made" in found.detail


def test_a_secret_that_is_missing_where_a_container_names_it(node: Cluster) -> None:
    reference = {"secretKeyRef": {"name": "never-made", "key": "x"}}
    test = shell(FOREVER, "test", env=[{"name": "X", "valueFrom": reference}])
    found = wait_end(node, run(node, "env", test=test))
    assert found.ended == "config_error" and "never-made" in found.detail


@pytest.mark.parametrize("message,category", [("memory", "evicted"), ("ephemeral", "disk_full")])
def test_an_eviction(node: Cluster, message: str, category: str) -> None:
    text = f"The node was low on resource: {message}."
    node.faults({"kind": "evict", "pod": "evicted", "message": text})
    found = wait_end(node, run(node, f"evicted-{message}"), replace(SHORT, reported=60))
    assert (found.ended, found.detail) == (category, text)


def test_the_tests_memory(node: Cluster) -> None:
    node.faults({"kind": "oom", "container": "test"})
    found = wait_end(node, run(node, "memory"), replace(SHORT, reported=60))
    assert found.ended == "test_oom"


def test_a_pod_that_somebody_deletes(node: Cluster) -> None:
    pod = run(node, "deleted", sidecar(f"trap '' TERM; {FOREVER}", "db"))
    pod.wait_running("test")
    pod.delete(grace=3)
    assert wait_end(node, pod).ended == "unknown"
