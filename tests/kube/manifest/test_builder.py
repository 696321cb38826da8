"""The builder's container: its flags, and the script around the executor, run by a real shell."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from kube.manifest.builder import BUILD_SCRIPT
from kube.manifest.job import manifests
from kube.manifest.request import Login
from sandbox.kubernetes.kubelet.processes import catches
from tests.kube.making import (
    MAIN,
    container,
    make_manifests,
    make_plan,
    make_request,
    make_settings,
)
from tests.waiting import wait_until

SECONDS = 30.0


def args(**request: Any) -> list[str]:
    words: list[str] = container(make_manifests(MAIN, **request), "kaniko")["args"]
    return words


def test_it_builds_the_checkout_into_the_image() -> None:
    assert args()[:4] == [
        "/kaniko/executor",
        "--context=dir:///saturn/checkout",
        "--dockerfile=/saturn/checkout/.saturnci/Dockerfile",
        "--destination=registry.example.com:5000/acme/shop:build",
    ]


def test_it_has_every_flag_that_was_tried() -> None:
    assert {
        "--cache=true",
        "--cache-repo=registry.example.com:5000/acme/shop/cache",
        "--cache-copy-layers",
        "--compressed-caching=false",
        "--snapshot-mode=redo",
        "--push-retry=3",
        "--image-download-retry=3",
        "--credential-helpers=",
    } <= set(args())


def test_it_keeps_no_layers_where_there_is_no_place_for_them() -> None:
    found = args(cache_repository="")
    assert "--cache=false" in found and not any("cache-repo" in word for word in found)


def test_target_and_folder_are_composes() -> None:
    compose = MAIN.replace("context: ..", "context: ../app, target: t").replace(
        "dockerfile: .saturnci", "dockerfile: ../.saturnci"
    )
    request, settings = make_request(), make_settings(registry_insecure=True)
    found = manifests(make_plan(compose, "FROM a AS t"), request, settings)
    words = container(found, "kaniko")["args"]
    assert "--context=dir:///saturn/checkout/app" in words and "--target=t" in words
    assert "--insecure-registry=registry.example.com:5000" in words


def test_it_finds_its_login_where_docker_looks() -> None:
    found = make_manifests(MAIN, push_login=Login(username="u", password="p"))
    env = {item["name"]: item["value"] for item in container(found, "kaniko")["env"]}
    paths = [item["mountPath"] for item in container(found, "kaniko")["volumeMounts"]]
    assert env["DOCKER_CONFIG"] in paths
    assert {"HOME", "USER", "PATH"} <= set(env)


@pytest.fixture
def applets(tmp_path: Path) -> Path:
    folder = tmp_path / "applets"
    folder.mkdir()
    for name in ("tail", "mv"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    return folder


def start(
    steps: Path, applets: Path, *words: str, script: str = BUILD_SCRIPT
) -> "subprocess.Popen[bytes]":
    env = {
        "PATH": os.defpath,
        "SWITCHYARD_STEPS_DIR": str(steps),
        "SWITCHYARD_BUSYBOX": str(applets),
        "SWITCHYARD_TERMINATION_LOG": str(steps / "termination-log"),
    }
    return subprocess.Popen(["/bin/sh", "-c", script, "kaniko", *words], env=env)


@pytest.mark.parametrize("code", [0, 1, 42])
def test_it_ends_as_the_executor_does_and_says_so(tmp_path: Path, applets: Path, code: int) -> None:
    script = f"echo 'two  words'; echo error >&2; exit {code}"
    process = start(tmp_path, applets, "/bin/sh", "-c", script)
    assert process.wait(SECONDS) == code
    assert (tmp_path / "build.log").read_text() == "two  words\nerror\n"
    assert (tmp_path / "build.rc").read_text() == f"{code}\n"
    assert not (tmp_path / "build.rc.part").exists()


def test_the_end_of_a_long_log_is_the_termination_message(tmp_path: Path, applets: Path) -> None:
    script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done"
    assert start(tmp_path, applets, "/bin/sh", "-c", script).wait(SECONDS) == 0
    message = (tmp_path / "termination-log").read_text()
    assert message.endswith("line 1999\n") and len(message) == 1000


def test_it_hands_on_the_signal_to_end(tmp_path: Path, applets: Path) -> None:
    script = "trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    process = start(tmp_path, applets, "/bin/sh", "-c", script)
    try:
        wait_for(tmp_path / "build.log", "ready")
        wait_until(lambda: catches(process.pid, signal.SIGTERM))
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 7
    finally:
        process.kill()
    assert "asked" in (tmp_path / "build.log").read_text()
    assert (tmp_path / "build.rc").read_text() == "7\n"


@pytest.mark.parametrize("signal_name", ["TERM", "INT"])
def test_no_build_begins_after_the_signal_to_end(
    tmp_path: Path, applets: Path, signal_name: str
) -> None:
    before, opening, after = BUILD_SCRIPT.partition(": >")
    early = f"{before}kill -{signal_name} $$\n{opening}{after}"
    process = start(tmp_path, applets, "/usr/bin/touch", str(tmp_path / "begun"), script=early)
    assert process.wait(SECONDS) == 143
    assert not (tmp_path / "begun").exists()
    assert (tmp_path / "build.rc").read_text() == "143\n"


def test_a_signal_that_comes_as_the_build_begins_reaches_it(tmp_path: Path, applets: Path) -> None:
    """When it is there already, and the script does not know its number yet."""
    script = "trap 'exit 7' TERM; : >trapped; while :; do sleep 0.05; done"
    before, naming, after = BUILD_SCRIPT.partition("  child=$!")
    wait = f"while [ ! -e {tmp_path}/trapped ]; do sleep 0.05; done; kill -TERM $$\n"
    words = ("/bin/sh", "-c", script.replace(">trapped", f">{tmp_path}/trapped"))
    process = start(tmp_path, applets, *words, script=f"{before}{wait}{naming}{after}")
    try:
        assert process.wait(SECONDS) == 7
    finally:
        process.kill()
    assert (tmp_path / "build.rc").read_text() == "7\n"


def wait_for(log: Path, words: str) -> None:
    until = time.monotonic() + SECONDS
    while not (log.exists() and words in log.read_text()):
        assert time.monotonic() < until, f"{words!r} never came"
        time.sleep(0.01)
