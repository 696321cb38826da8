"""A controller has one watch of Jobs and one of pods open at the API server, however many Jobs run:
counted there, from a real controller process."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from sandbox.demo.rails import Rails
from sandbox.kubernetes.access import LIMITED
from sandbox.kubernetes.kubeconfig import write_kubeconfig
from sandbox.samples import create_samples
from sandbox.stack import Options, Stack
from sandbox.stack.cluster import NAMESPACE
from tests.conftest import SQLITE
from tests.sandbox.kubernetes_api import Running, start

JOBS = 50
SECONDS = 60.0
TOKEN = "of-the-controller"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(200),
    pytest.mark.skipif(
        settings.DATABASES["default"]["ENGINE"] != SQLITE, reason="it runs on a database of its own"
    ),
]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Running]:
    """On its nodes nothing runs: pods are Running until somebody deletes them."""
    running = start(tmp_path / "api", "--nodes", "30", "--limited-token", TOKEN)
    running.must("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    running.namespace = NAMESPACE
    yield running
    running.server.stop()


@pytest.fixture
def stack(api: Running, tmp_path: Path) -> Iterator[Stack]:
    kubeconfig = tmp_path / "kubeconfig"
    write_kubeconfig(kubeconfig, api.server.url, {"switchyard": TOKEN})
    ours = {
        "SWITCHYARD_BACKENDS": "kubernetes",
        "SWITCHYARD_KUBECONFIG": str(kubeconfig),
        "SWITCHYARD_KUBE_NAMESPACE": NAMESPACE,
        "SWITCHYARD_KUBE_REGISTRY": "127.0.0.1:1/switchyard",
        "SWITCHYARD_KUBE_LIMIT": str(JOBS),
    }
    made = Stack(Options(state=tmp_path / "stack", droplets=False, web_workers=1, settings=ours))
    made.prepare()
    try:
        made.start()
        yield made
    finally:
        made.stop()


def wait(stack: Stack, condition: Callable[[], bool], what: Callable[[], Any]) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        stack.check()
        assert time.monotonic() < until, what()
        time.sleep(0.2)


def test_there_is_one_watch_of_jobs_and_one_of_pods_while_fifty_jobs_run(
    api: Running, stack: Stack, tmp_path: Path
) -> None:
    def watched() -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = api.state()["watched"].get(LIMITED, {})
        return found

    def opened() -> dict[str, int]:
        return {plural: counts["open"] for plural, counts in watched().items()}

    def running() -> list[str]:
        pods = api.must("GET", api.at("pods"))["items"]
        return [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]

    one = {"jobs": 1, "pods": 1}
    wait(stack, lambda: opened() == one, api.state)
    sample = create_samples(tmp_path / "repositories")["passing"]
    rails = Rails(stack.url, stack.create_api_key(), {})
    # Of different repositories, as those of one wait for an image that nobody builds here.
    for number in range(JOBS):
        rails.send_suite_run(replace(sample, name=f"shop-{number}"), 1)
    wait(stack, lambda: len(running()) == JOBS, lambda: (len(running()), stack.controller.tail()))
    # Those that are open by now end in a while, and the next ones come.
    wait(stack, lambda: opened() != one, watched)
    wait(stack, lambda: opened() == one, watched)
    assert {plural: counts["most"] for plural, counts in watched().items()} == one
