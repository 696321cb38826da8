"""The environment of a container, and where its paths are."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.kubernetes.kubelet.places import Places
from sandbox.kubernetes.kubelet.spec import PodSpec
from sandbox.kubernetes.kubelet.variables import ConfigError, Facts, environment, expand
from tests.sandbox.kubelet_cluster import Cluster, shell

FACTS = Facts(pod_ip="127.64.0.1", host_ip="127.0.0.1", node="node-1")


def secret(**entries: str) -> dict[str, Any]:
    return {"data": {k: base64.b64encode(v.encode()).decode() for k, v in entries.items()}}


def read(container: dict[str, Any], **objects: Any) -> dict[str, str]:
    """The environment, where `objects` are Secrets and ConfigMaps by kind and name."""
    pod = PodSpec(
        {
            "metadata": {"name": "p", "namespace": "n", "uid": "u-1", "labels": {"app": "x"}},
            "spec": {"containers": [{"name": "main", **container}]},
        }
    )
    found = {key.replace("_", "/"): value for key, value in objects.items()}
    look_up: Callable[[str, str], Any] = lambda kind, name: found.get(f"{kind}/{name}")  # noqa: E731
    return environment(pod, pod.main[0], FACTS, look_up)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$(B) $(A)", "$(B) 1"),
        ("$$$(A)$A$", "$1$A$"),
        ("$(A", "$(A"),
    ],
)
def test_references_are_replaced_where_they_are_known(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_a_variable_sees_those_before_it_and_what_comes_from_elsewhere_stays_as_it_is() -> None:
    env = [
        {"name": "LATE", "value": "$(A)"},
        {"name": "A", "value": "1"},
        {"name": "EARLY", "value": "$(A)$(TOKEN)"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "TOKEN"}}},
    ]
    container = {"env": env, "envFrom": [{"secretRef": {"name": "s"}, "prefix": "P_"}]}
    assert read(container, Secret_s=secret(TOKEN="$(A)")) == {
        "P_TOKEN": "$(A)",
        "LATE": "$(A)",
        "A": "1",
        "EARLY": "1$(TOKEN)",
        "KEY": "$(A)",
    }


def test_fields_of_the_pod_and_limits_can_be_asked_for() -> None:
    fields = {
        "NAME": "metadata.name",
        "UID": "metadata.uid",
        "APP": "metadata.labels['app']",
        "NODE": "spec.nodeName",
        "IP": "status.podIP",
    }
    env: list[dict[str, Any]] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in fields.items()
    ]
    memory = {"resource": "limits.memory", "divisor": "1Mi"}
    env.append({"name": "MEMORY", "valueFrom": {"resourceFieldRef": memory}})
    assert read({"env": env, "resources": {"limits": {"memory": "1.5Gi"}}}) == {
        "NAME": "p",
        "UID": "u-1",
        "APP": "x",
        "NODE": "node-1",
        "IP": "127.64.0.1",
        "MEMORY": "1536",
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"secretKeyRef": {"name": "no", "key": "K"}}, 'secret "no" not found'),
        ({"secretKeyRef": {"name": "s", "key": "K"}}, "couldn't find key K in Secret n/s"),
        ({"configMapKeyRef": {"name": "no", "key": "K"}}, 'configmap "no" not found'),
        ({"fieldRef": {"fieldPath": "spec.x"}}, "unsupported fieldPath: spec.x"),
    ],
)
def test_what_is_missing_is_named(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        read({"env": [{"name": "X", "valueFrom": source}]}, Secret_s=secret(A="1"))


def test_what_is_optional_may_be_missing() -> None:
    missing = {"name": "no", "key": "K", "optional": True}
    env = [{"name": "X", "valueFrom": {"secretKeyRef": missing}}]
    assert read({"env": env, "envFrom": [{"configMapRef": {"name": "no", "optional": True}}]}) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/saturn/bin/busybox", "R/saturn/bin/busybox"),
        ("cp /saturn/bin/x /saturn/binary", "cp R/saturn/bin/x /saturn/binary"),
        ("--context=dir:///app", "--context=dir://R/app"),
        ("PATH=/usr/bin:/app/bin", "PATH=/usr/bin:R/app/bin"),
        ("http://host/app", "http://host/app"),
        ("http://127.0.0.1:80/app", "http://127.0.0.1:80/app"),
        ("$HOME/app ${X}/app", "$HOME/app ${X}/app"),
        ("cd /app&&ls '/app' /app.rb /app-x", "cd R/app&&ls 'R/app' /app.rb /app-x"),
        ("/other/app", "/other/app"),
        ("tail >/dev/termination-log", "tail >R/dev/termination-log"),
    ],
)
def test_paths_are_rewritten_where_they_stand_alone(text: str, expected: str) -> None:
    places = Places(Path("/r"), ["/saturn/bin", "/app/", "/dev/termination-log"])
    assert places.rewrite(text) == expected.replace("R", "/r")


def test_the_inner_one_of_two_mounts_wins_and_a_rewritten_text_stays_as_it_is() -> None:
    places = Places(Path("/state/root"), ["/app", "/app/tmp"])
    once = places.rewrite("/app/tmp/x /app/x")
    assert once == "/state/root/app/tmp/x /state/root/app/x"
    assert places.rewrite(once) == once


def test_a_container_gets_its_volumes_with_their_modes_and_parts(cluster: Cluster) -> None:
    cluster.make("Secret", "s", stringData={"token": "geheim", "hosts": "127.0.0.1 db\n"})
    cluster.make("ConfigMap", "c", data={"a": "1", "b": "2"})
    items = [{"key": "token", "path": "deep/token"}]
    pod = cluster.run(
        volumes=[
            {"name": "s", "secret": {"secretName": "s", "items": items, "defaultMode": 0o400}},
            {"name": "h", "secret": {"secretName": "s"}},
            {"name": "c", "configMap": {"name": "c"}},
            {"name": "work", "emptyDir": {"medium": "Memory"}},
        ],
        containers=[
            shell(
                "stat -c %a /etc/secret/deep/token; cat /etc/secret/deep/token; echo; cat /cfg/b;"
                " cat /etc/hosts; ls /app/sub; cd /app && touch made && ls",
                volumeMounts=[
                    {"name": "s", "mountPath": "/etc/secret", "readOnly": True},
                    {"name": "h", "mountPath": "/etc/hosts", "subPath": "hosts"},
                    {"name": "c", "mountPath": "/cfg"},
                    {"name": "work", "mountPath": "/app", "subPath": "code"},
                    {"name": "work", "mountPath": "/app/sub", "subPath": "other"},
                ],
            )
        ],
    )
    pod.wait_end("Succeeded")
    assert pod.log() == "400\ngeheim\n2127.0.0.1 db\nmade\nsub\n"
    mounts = pod.container("main")["volumeMounts"]
    assert {"name": "s", "mountPath": "/etc/secret", "readOnly": True} in mounts


def test_a_container_has_a_home_of_its_own_and_the_given_directory(cluster: Cluster) -> None:
    pod = cluster.run(
        containers=[shell("pwd; echo $HOME; echo $TMPDIR; echo $HOSTNAME", workingDir="/srv/app")]
    )
    pod.wait_end("Succeeded")
    root = pod.folder / "containers" / "main" / "root"
    assert pod.log() == f"{root}/srv/app\n{root}/root\n{root}/tmp\npod\n"


def test_a_pod_waits_for_its_secret(cluster: Cluster) -> None:
    pod = cluster.run(
        volumes=[{"name": "s", "secret": {"secretName": "late"}}],
        containers=[
            shell("cat /s/x", volumeMounts=[{"name": "s", "mountPath": "/s", "readOnly": True}])
        ],
    )
    pod.wait_event("FailedMount", 'MountVolume.SetUp failed for volume "s" : secret "late" not')
    assert pod.reason("main") == "ContainerCreating"
    cluster.make("Secret", "late", stringData={"x": "here"})
    pod.wait_end("Succeeded")
    assert pod.log() == "here"


def test_a_container_that_cannot_be_configured_waits_and_says_why(cluster: Cluster) -> None:
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "late", "key": "x"}}}]
    pod = cluster.run(containers=[shell("echo $X", env=env)])
    pod.wait(lambda: pod.reason("main") == "CreateContainerConfigError")
    assert pod.container("main")["state"]["waiting"]["message"] == 'secret "late" not found'
    assert pod.phase == "Pending"
    cluster.make("Secret", "late", stringData={"x": "1"})
    pod.wait_end("Succeeded")
    assert pod.container("main")["restartCount"] == 0


@pytest.mark.parametrize(
    ("context", "image", "message"),
    [
        ({"runAsNonRoot": True}, "busybox", "container has runAsNonRoot and image will run as"),
        ({"runAsNonRoot": True, "runAsUser": 0}, "busybox", "container's runAsUser breaks non-"),
        ({"runAsNonRoot": True, "runAsUser": 7}, "busybox", ""),
    ],
)
def test_a_container_that_must_not_be_root_and_is_waits(
    cluster: Cluster, context: dict[str, Any], image: str, message: str
) -> None:
    pod = cluster.run(containers=[shell("true", securityContext=context)])
    if not message:
        pod.wait_end("Succeeded")
        return
    pod.wait(lambda: pod.reason("main") == "CreateContainerConfigError")
    found = pod.container("main")["state"]["waiting"]["message"]
    assert found.startswith(message)
    assert f'(pod: "pod_{cluster.namespace}({pod.uid})", container: main)' in found
