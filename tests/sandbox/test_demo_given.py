"""What the demo is told of a real cluster."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.demo.__main__ import fresh
from sandbox.demo.given import NEEDED, Ground, NotGiven, read, remember, remembered
from sandbox.kubernetes.kubeconfig import write_kubeconfig
from sandbox.stack import Given, Options
from sandbox.stack.cluster import SandboxCluster

ROOT = Path(__file__).resolve().parents[2]
TOLD = {
    "SWITCHYARD_KUBE_REGISTRY": "registry.example.com/demo",
    "SWITCHYARD_KUBE_AGENT_IMAGE": "registry.example.com/agent:1",
    "SWITCHYARD_KUBE_BUILDER_IMAGE": "registry.example.com/kaniko:1",
    "SWITCHYARD_DEMO_ADDRESS": "192.0.2.7",
}


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    file = tmp_path / "kubeconfig"
    file.write_text("{}")
    return file


def ground(kubeconfig: Path, **environ: str) -> Ground:
    found = read({"KUBECONFIG": str(kubeconfig), **environ})
    assert found is not None
    return found


def test_without_a_kubeconfig_there_is_no_cluster() -> None:
    assert read({}) is None
    assert read({"KUBECONFIG": "", **TOLD}) is None


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotGiven, match="KUBECONFIG=.*/none: no such file"):
        read({"KUBECONFIG": str(tmp_path / "none"), **TOLD})


def test_what_was_not_told_is_named_with_what_it_is_for(kubeconfig: Path) -> None:
    for name in NEEDED:
        environ = {other: text for other, text in TOLD.items() if other != name}
        with pytest.raises(NotGiven) as found:
            ground(kubeconfig, **environ)
        said = str(found.value)
        assert [other for other in NEEDED if other in said] == [name]
        assert NEEDED[name] in said and f"{kubeconfig.parent}/demo.env" in said


def test_the_environment_tells_all_of_it(kubeconfig: Path) -> None:
    found = ground(kubeconfig, **TOLD, SWITCHYARD_KUBE_LIMIT="3", SWITCHYARD_KUBE_NAMESPACE="ci")
    assert found.given.registry == "registry.example.com/demo"
    assert (found.given.address, found.given.agent_image) == (
        "192.0.2.7",
        "registry.example.com/agent:1",
    )
    assert (found.given.registry_insecure, found.given.dns_policy) == (False, "ClusterFirst")
    assert found.base == "python:3.11-slim"
    assert found.settings["SWITCHYARD_KUBE_LIMIT"] == "3"
    # It has a namespace of its own, and removes that.
    assert found.given.namespace == "" and "SWITCHYARD_KUBE_NAMESPACE" not in found.settings


def test_a_file_beside_the_kubeconfig_tells_it_and_the_environment_says_otherwise(
    kubeconfig: Path,
) -> None:
    told = {**TOLD, "SWITCHYARD_KUBE_REGISTRY_INSECURE": "true", "SWITCHYARD_SECRET_KEY": "no"}
    lines = "".join(f"{name}={text}\n" for name, text in told.items())
    (kubeconfig.parent / "demo.env").write_text(f"\n{lines}")
    found = ground(kubeconfig, SWITCHYARD_KUBE_BUILDER_IMAGE="another:2")
    assert found.given.builder_image == "another:2"
    assert found.given.registry == "registry.example.com/demo" and found.given.registry_insecure
    assert "SWITCHYARD_SECRET_KEY" not in found.settings


def test_a_line_of_the_file_that_says_nothing_is_named(kubeconfig: Path) -> None:
    (kubeconfig.parent / "demo.env").write_text("SWITCHYARD_KUBE_LIMIT=3\nexport\n")
    with pytest.raises(NotGiven, match="demo.env, line 2: give NAME=VALUE"):
        ground(kubeconfig, **TOLD)


def test_the_cluster_is_remembered_for_the_next_one(kubeconfig: Path, tmp_path: Path) -> None:
    given = ground(kubeconfig, **TOLD).given
    remember(tmp_path / "state", given)
    assert remembered(tmp_path / "state") == given
    remember(tmp_path / "sandbox", None)
    assert remembered(tmp_path / "sandbox") is None


@pytest.mark.parametrize("there", [True, False])
def test_a_cluster_that_has_gone_since_is_named_and_holds_up_nobody(
    kubeconfig: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], there: bool
) -> None:
    state = tmp_path / "demo"
    write_kubeconfig(kubeconfig, "http://127.0.0.1:1", {"admin": "token"})
    if not there:
        kubeconfig.unlink()
    told = given_of(kubeconfig, address="127.0.0.1")
    remember(state, told)
    stack = fresh(Options(state=state, jobs=1))
    said = capsys.readouterr().out
    assert "has left in a cluster was not removed" in said
    assert ("127.0.0.1:1" if there else str(kubeconfig)) in said.replace("\n", "")
    assert remembered(state) is None and isinstance(stack.cluster, SandboxCluster)


def given_of(kubeconfig: Path, address: str) -> Given:
    return Given(
        kubeconfig=kubeconfig, address=address, registry="r", agent_image="a", builder_image="b"
    )


def test_the_demo_says_what_is_missing_and_starts_nothing(kubeconfig: Path, tmp_path: Path) -> None:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SWITCHYARD_")}
    state = tmp_path / "demo"
    demo = subprocess.run(
        [sys.executable, "-m", "sandbox.demo", "--state", str(state)],
        cwd=ROOT, env={**kept, "KUBECONFIG": str(kubeconfig)}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert demo.returncode == 1
    assert all(name in demo.stdout for name in NEEDED) and "make cluster" in demo.stdout
    assert not state.exists()
