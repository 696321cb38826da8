"""ops/build-agent-image by a Job with the builder, where there is no Docker."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from kube.manifest import ours
from tests.cluster import binaries
from tests.cluster.agent_image import by_digest
from tests.cluster.agent_room import agent_room, as_agent
from tests.cluster.base_image import base_image
from tests.cluster.builder_image import builder_image
from tests.cluster.elsewhere import cluster_kubeconfig, layout_of_the_cluster
from tests.cluster.layout import Layout
from tests.conformance.cluster import Cluster, unique
from worker_image.switchyard_agent import VERSION

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

SCRIPT = Path(__file__).resolve().parents[2] / "ops" / "build-agent-image"


@dataclass(frozen=True, kw_only=True)
class Shell:
    """Of somebody who has kubectl and no Docker."""

    cluster: Cluster
    layout: Layout
    namespace: str
    programs: Path

    def start(self, **options: str) -> subprocess.Popen[str]:
        """An option's name is without dashes."""
        given = {
            "image": f"{self.layout.registry}/{self.namespace}/agent:1",
            "base": base_image(self.layout),
            "busybox": by_digest(self.layout.busybox_image),
            "builder": builder_image(self.layout),
            "namespace": self.namespace,
            **options,
        }
        words = [word for name, value in given.items() for word in (f"--{name}", value)]
        return subprocess.Popen(
            [str(SCRIPT), *words, "--insecure"],
            env=self._environ(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, **options: str) -> tuple[int, str, str]:
        """Exit code, and what it prints to both."""
        with self.start(**options) as process:
            output, errors = process.communicate(timeout=120)
        return process.returncode, output, errors

    def left(self) -> list[str]:
        """Jobs and ConfigMaps of the script that are there."""
        found = []
        for path in ("/apis/batch/v1/namespaces/{}/jobs", "/api/v1/namespaces/{}/configmaps"):
            items = self.cluster.must("GET", path.format(self.namespace))["items"]
            found += [item["metadata"]["name"] for item in items]
        return [name for name in found if name.startswith("build-agent-image-")]

    def _environ(self) -> Mapping[str, str]:
        kubeconfig = str(self.cluster.kubeconfig)
        home = str(self.programs)
        return {"PATH": f"{home}:/usr/bin:/bin", "KUBECONFIG": kubeconfig, "HOME": home}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """In a namespace that enforces what that of the workers does."""
    cluster, name = Cluster.of(cluster_kubeconfig()), unique("agent-ops")
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    body = {"metadata": {"name": name, "labels": labels}}
    cluster.must("POST", "/api/v1/namespaces", body)
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    cluster.wait(lambda: cluster.call("GET", account).status == 200)
    programs = tmp_path_factory.mktemp("programs")
    if not binaries.binary("kubectl").exists():
        binaries.build("kubectl")
    os.symlink(binaries.binary("kubectl"), programs / "kubectl")
    layout = layout_of_the_cluster()
    yield Shell(cluster=cluster, layout=layout, namespace=name, programs=programs)
    cluster.call("DELETE", f"/api/v1/namespaces/{name}")


def test_it_builds_in_the_cluster_and_prints_what_pods_can_run(shell: Shell) -> None:
    code, output, errors = shell.run()
    assert code == 0, errors
    pattern = rf"{re.escape(shell.layout.registry)}/{shell.namespace}/agent@sha256:[0-9a-f]{{64}}\n"
    assert re.fullmatch(pattern, output)
    assert f"namespace {shell.namespace}" in errors
    assert shell.left() == []
    with agent_room() as room:
        end = room.run(as_agent(output.strip(), *ours.PROGRAM, "--version"))
    assert (end.code, end.log) == (0, f"switchyard-agent {VERSION}\n")


def test_a_build_that_fails_is_told_with_the_end_of_its_log(shell: Shell) -> None:
    code, output, errors = shell.run(base=by_digest(shell.layout.busybox_image))
    assert (code, output) == (1, "")
    assert "apt-get: not found" in errors and "the build failed" in errors
    assert shell.left() == []


def test_a_builder_that_cannot_be_had_is_told_when_the_time_is_over(shell: Shell) -> None:
    builder = f"{shell.layout.registry}/none:1"
    code, output, errors = shell.run(builder=builder, timeout="4")
    assert (code, output) == (1, "")
    assert "not done after 4 s" in errors and builder in errors
    assert shell.left() == []


def test_a_login_that_is_not_there_is_told_at_once(shell: Shell) -> None:
    code, _, errors = shell.run(**{"push-secret": "missing"})
    assert code == 1 and "--push-secret missing is no Secret" in errors
    assert shell.left() == []


def test_a_cluster_that_does_not_answer_is_told_at_once(shell: Shell, tmp_path: Path) -> None:
    away = tmp_path / "kubeconfig"
    text = shell.cluster.kubeconfig.read_text()
    away.write_text(text.replace(shell.cluster.url, "https://127.0.0.1:9"))
    elsewhere = Cluster(url="", session=shell.cluster.session, kubeconfig=away)
    lost = Shell(
        cluster=elsewhere, layout=shell.layout, namespace=shell.namespace, programs=shell.programs
    )
    code, _, errors = lost.run()
    assert code == 1 and "the cluster does not answer" in errors


def test_nothing_stays_when_it_is_told_to_end(shell: Shell) -> None:
    with shell.start() as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Pending" in line or "Running" in line:
                break
        process.terminate()
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (143, "")
    assert shell.left() == []


def test_what_stays_when_it_is_killed_goes_with_its_job(shell: Shell) -> None:
    with shell.start() as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Pending" in line or "Running" in line:
                break
        process.kill()
    (name,) = set(shell.left())
    job = f"/apis/batch/v1/namespaces/{shell.namespace}/jobs/{name}"
    assert shell.cluster.must("GET", job)["spec"]["ttlSecondsAfterFinished"]
    shell.cluster.must("DELETE", job, {"propagationPolicy": "Background"})
    shell.cluster.wait(lambda: shell.left() == [])
