"""Images that are there, that take their time, and that cannot be had."""

import pytest
import requests

from sandbox.kubernetes.kubelet.images import InvalidName, parse
from tests.sandbox.kubelet_cluster import Cluster, Json, RunningPod, shell


def run(cluster: Cluster, image: str, policy: str = "Always") -> RunningPod:
    container = {"name": "main", "image": image, "imagePullPolicy": policy, "command": ["true"]}
    return cluster.run(containers=[container])


def waiting(pod: RunningPod, reason: str) -> str:
    pod.wait(lambda: pod.reason("main") == reason)
    return str(pod.container("main")["state"].get("waiting", {}).get("message", ""))


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("acme/app:1", "docker.io/acme/app:1"),
        ("127.0.0.1:5000/a/b:k", "127.0.0.1:5000/a/b:k"),
        ("localhost/a", "localhost/a:latest"),
        (f"ghcr.io/a/b@sha256:{'0' * 64}", f"ghcr.io/a/b@sha256:{'0' * 64}"),
    ],
)
def test_a_reference_is_read_as_the_runtime_reads_it(text: str, full: str) -> None:
    assert parse(text).full == full


@pytest.mark.parametrize("text", ["", "Upper/case", "a b", "x:", "a//b", "-a", "a@sha256:1"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidName, match="invalid reference format"):
        parse(text)


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("pull_not_found", 'failed to resolve reference "docker.io/library/busybox:9": '
         "docker.io/library/busybox:9: not found"),
        ("pull_denied", "insufficient_scope: authorization failed"),
        ("pull_unauthorized", "unexpected status: 401 Unauthorized"),
        ("pull_network", "dial tcp 192.0.2.1:443: connect: connection refused"),
        ("pull_no_host", "dial tcp: lookup docker.io: no such host"),
    ],
)  # fmt: skip
def test_a_pull_fails_in_the_words_of_the_runtime(cluster: Cluster, kind: str, sign: str) -> None:
    cluster.faults({"kind": kind, "image": "busybox:9", "count": 1})
    pod = run(cluster, "busybox:9")
    message = waiting(pod, "ErrImagePull")
    assert message.startswith("rpc error: code = ")
    assert 'failed to pull and unpack image "docker.io/library/busybox:9": ' in message
    assert sign in message
    pod.wait_end("Succeeded")  # the next try finds it
    reasons = [reason for reason, _ in pod.events()]
    assert reasons.count("Pulling") >= 1 and "Pulled" in reasons and "Failed" in reasons


def test_the_clusters_own_faults_reach_the_node(cluster: Cluster) -> None:
    rule = {"kind": "image_pull", "name": "^pod$", "image": "busybox:7", "cause": "auth"}
    for rules in ([rule], []):
        assert cluster.api.call("PUT", "/sandbox/faults", rules).status_code == 200
        if rules:
            pod = run(cluster, "busybox:7")
    assert "insufficient_scope" in waiting(pod, "ErrImagePull")


def test_pulls_that_fail_alternate_between_two_reasons(cluster: Cluster) -> None:
    pod = run(cluster, "registry.nowhere.example/app:1")
    first = waiting(pod, "ErrImagePull")
    assert "dial tcp: lookup registry.nowhere.example: no such host" in first
    backing_off = waiting(pod, "ImagePullBackOff")
    assert backing_off == (
        f'Back-off pulling image "registry.nowhere.example/app:1": ErrImagePull: {first}'
    )
    waiting(pod, "ErrImagePull")
    waiting(pod, "ImagePullBackOff")
    assert pod.phase == "Pending"
    texts = dict(pod.events())
    assert texts["BackOff"] == 'Back-off pulling image "registry.nowhere.example/app:1"'


def test_an_image_that_was_never_pushed_is_not_found(cluster: Cluster) -> None:
    image = f"{cluster.registry_host}/acme/app:none"
    assert waiting(run(cluster, image), "ErrImagePull").endswith(f"{image}: not found")


def test_a_registry_that_is_down_refuses_the_connection(cluster: Cluster) -> None:
    message = waiting(run(cluster, "127.0.0.1:9/acme/app:1"), "ErrImagePull")
    assert "dial tcp" in message and "Connection refused" in message


def test_what_is_no_image_name_is_not_tried(cluster: Cluster) -> None:
    assert "invalid reference format" in waiting(run(cluster, "Not An Image"), "InvalidImageName")


def test_an_image_that_must_be_there_and_is_not_is_not_pulled(cluster: Cluster) -> None:
    pod = run(cluster, "busybox:never", "Never")
    message = waiting(pod, "ErrImageNeverPull")
    assert message == 'Container image "busybox:never" is not present with pull policy of Never'


def test_an_image_is_pulled_once_where_that_will_do(cluster: Cluster) -> None:
    def spec(name: str) -> Json:
        return shell("true", name, image="busybox:once", imagePullPolicy="IfNotPresent")

    pod = cluster.run(initContainers=[spec("first")], containers=[spec("main")])
    pod.wait_end("Succeeded")
    messages = [message for _, message in pod.events()]
    assert messages.count('Pulling image "busybox:once"') == 1
    assert 'Container image "busybox:once" already present on machine' in messages


def test_a_slow_pull_and_a_slow_start_take_their_time(cluster: Cluster) -> None:
    cluster.faults(
        {"kind": "slow_pull", "image": "busybox:slow", "seconds": 20},
        {"kind": "slow_start", "image": "busybox:slow", "seconds": "20:24"},
    )
    pod = run(cluster, "busybox:slow")
    pod.wait_event("Pulling")
    pod.wait_end("Succeeded")
    pulled = next(message for reason, message in pod.events() if reason == "Pulled")
    assert float(pulled.split(" in ")[1].split("s")[0]) >= 0.5


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"kind": "nonsense"}, "rule 1: kind: must be one of pull_not_found,"),
        ({"kind": "oom", "count": 0}, "rule 1: count: must be a positive integer"),
        ({"kind": "oom", "pod": "("}, "rule 1: pod: must be a regular expression"),
        ({"kind": "oom", "color": "red"}, "rule 1: color: is unknown"),
        ({"kind": "oom", "seconds": "soon"}, 'rule 1: seconds: must be a number or "lo:hi"'),
    ],
)
def test_a_bad_fault_is_refused_and_changes_nothing(
    cluster: Cluster, rule: Json, complaint: str
) -> None:
    cluster.faults({"kind": "oom", "pod": "nobody"})
    answer = requests.put(f"{cluster.node.url}/sandbox/faults", json=[rule], timeout=10)
    assert answer.status_code == 422 and answer.text.startswith(complaint)
    found = requests.get(f"{cluster.node.url}/sandbox/faults", timeout=10).json()
    assert [one["pod"] for one in found] == ["nobody"]
