"""Clients of a sandbox under test, and what its tests wait for and look at."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from sandbox.digitalocean.clock import ManualClock
from sandbox.digitalocean.launch import TOKEN, Launched
from sandbox.digitalocean.sandbox import Sandbox


def eventually(condition: Callable[[], Any], timeout: float = 10.0) -> Any:
    """What the condition returns as soon as that is true; fails after the timeout."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError("the condition did not come true in time")


def processes_of(state: Path) -> list[str]:
    """Command lines of the living processes that carry this state's mark or run in its folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if command and f"{state}/droplets/".encode() in environment + command:
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


@dataclass(frozen=True, kw_only=True)
class Client:
    """Plain HTTP against one sandbox, for what the library hides."""

    url: str
    token: str = TOKEN

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return requests.request(
            method, self.url + path, json=body, headers=headers, timeout=20, **options
        )

    def order(self, **changes: Any) -> requests.Response:
        order = {"name": "w-1", "region": "nyc3", "size": "c-2", "image": "debian-12-x64"}
        return self.call("POST", "/v2/droplets", {**order, **changes})

    def create(self, **changes: Any) -> int:
        answer = self.order(**changes)
        assert answer.status_code == 202, answer.text
        return int(answer.json()["droplet"]["id"])

    def state(self) -> dict[str, Any]:
        return dict(self.call("GET", "/sandbox/state").json())

    def droplet(self, id: int) -> dict[str, Any]:
        """The operator's view of one droplet."""
        return next(d for d in self.state()["droplets"] if d["id"] == id)

    def calls(self, name: str) -> int:
        return int(self.state()["calls"].get(name, {"total": 0})["total"])

    def syslog(self, id: int) -> str:
        return self.call("GET", f"/sandbox/droplets/{id}/syslog").text

    def wait_agent(self, id: int, state: str = "running") -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            droplet = self.droplet(id)
            return droplet if droplet["agent"] == state else None

        return dict(eventually(reached))

    def wait_output(self, id: int, text: str) -> None:
        eventually(lambda: text in self.syslog(id))

    def faults(self, *rules: dict[str, Any]) -> None:
        answer = self.call("PUT", "/sandbox/faults", list(rules))
        assert answer.status_code == 200, answer.text

    def with_token(self, token: str) -> "Client":
        return replace(self, token=token)


@dataclass(frozen=True, kw_only=True)
class Running(Client):
    """A sandbox in a process of its own."""

    server: Launched

    def kill(self) -> None:
        self.server.kill()


@dataclass(frozen=True, kw_only=True)
class Clocked(Client):
    """A sandbox in this process, whose time only moves when a test moves it."""

    clock: ManualClock
    sandbox: Sandbox
