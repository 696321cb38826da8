"""A real sandbox cloud over HTTP for the tests of the droplet backend."""

import dataclasses
import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from droplets import config as config_module
from droplets import destroying, inventory, pool
from droplets.cloud import Cloud
from droplets.config import Config
from sandbox.stack.process import Process
from sandbox.stack.stack import ROOT

TOKEN = "sandbox-token"


class SandboxCloud:
    """One running sandbox; its droplets boot at once and run nothing but a sleep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = self._process()

    def _process(self) -> Process:
        arguments = ["-m", "sandbox.digitalocean", "--state", str(self.folder / "cloud")]
        arguments += ["--token", TOKEN, "--boot-seconds", "0", "--agent-seconds", "0"]
        arguments += ["--minute-limit", "0", "--destroy-on-exit", "--env", "PATH=/usr/bin:/bin"]
        env = {"PATH": "/usr/bin:/bin"}
        log = self.folder / "sandbox.log"
        return Process("sandbox", [sys.executable, *arguments], env, ROOT, log)

    def start(self) -> None:
        self.process.start()
        self.process.wait_ready((self.folder / "cloud" / "server.json").exists, 30)
        self.url = json.loads((self.folder / "cloud" / "server.json").read_text())["url"]

    def put(self, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def faults(self, *rules: dict[str, Any]) -> None:
        """Replace the injected faults."""
        self.put("/sandbox/faults", list(rules))

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + "/sandbox/state", timeout=10) as answer:
            state: dict[str, Any] = json.load(answer)
            return state


@pytest.fixture(scope="module")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxCloud]:
    sandbox = SandboxCloud(tmp_path_factory.mktemp("cloud"))
    sandbox.start()
    yield sandbox
    sandbox.process.stop()


@pytest.fixture
def sandbox(sandbox_process: SandboxCloud) -> Iterator[SandboxCloud]:
    """The running sandbox, without faults and without droplets of earlier tests."""
    sandbox_process.faults()
    sandbox_process.put("/sandbox/destroy-all")
    yield sandbox_process
    sandbox_process.faults()


@pytest.fixture
def settings_of_droplets(
    sandbox: SandboxCloud, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Config]:
    """The backend's settings, pointed at the sandbox; every module that reads them sees these."""
    config = dataclasses.replace(
        config_module.config(),
        api_token=TOKEN,
        endpoint=f"{sandbox.url}/v2/",
        request_timeout=2.0,
        idle=2,
        limit=5,
        create_retry=0.0,
        user_data="#!/bin/sh\nexec sleep 300\n",
    )
    for module in (pool, destroying, inventory):
        monkeypatch.setattr(module, "config", lambda: config)
    for health in (pool.health, pool.creation):
        monkeypatch.setattr(health, "_rest_until", 0.0)
        monkeypatch.setattr(health, "_failures", 0)
    yield config


@pytest.fixture
def cloud(settings_of_droplets: Config) -> Cloud:
    return Cloud(settings_of_droplets)
