"""The control plane's end of the legacy worker protocol, on loopback: it records every call."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.worker_image.loopback import Loopback, OnLoopback, Reply, Request

PREFIX = "/api/v1/worker_agents"

Answer = tuple[int, bytes]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def name(self) -> str:
        """What it is, in a word: `POST task_events runner_ready`."""
        last = self.path.rpartition("/")[2]
        kind = f" {self.json['type']}" if last in ("task_events", "worker_events") else ""
        return f"{self.method} {last}{kind}"


@dataclass
class ControlPlane(OnLoopback):
    """`items` is what a poll gets. `answer` may say otherwise, call by call; None leaves it."""

    items: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[Recorded], Answer | None] = lambda call: None
    token: bytes = b""
    calls: list[Recorded] = field(default_factory=list)
    _loopback: Loopback = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._loopback = Loopback(self._reply)

    def _reply(self, request: Request) -> Reply:
        status, body = self.take(
            Recorded(
                method=request.method,
                path=request.path.removeprefix(PREFIX),
                headers=request.headers,
                body=request.body,
            )
        )
        return Reply(status=status, body=body)

    def take(self, call: Recorded) -> Answer:
        """A call that is answered otherwise counts as refused, and is not among `calls`."""
        with self._lock:
            if (answer := self.answer(call)) is not None:
                return answer
            self.calls.append(call)
        if call.method == "GET":
            return 200, json.dumps(self.items).encode()
        if call.path == "/github_tokens":
            return 200, self.token
        return (201 if call.path.endswith("worker_events") else 200), b""

    def names(self) -> list[str]:
        """Every call but polls and logs, in order."""
        skipped = ("GET", "POST system_logs", "POST test_output")
        return [call.name for call in list(self.calls) if not call.name.startswith(skipped)]

    def named(self, name: str) -> list[Recorded]:
        return [call for call in list(self.calls) if call.name == name]

    def only(self, name: str) -> Recorded:
        (call,) = self.named(name)
        return call

    def has(self, name: str) -> bool:
        return bool(self.named(name))

    def log(self, stream: str) -> bytes:
        """The stream as it was before each line got a newline more for the way. A chunk that was
        sent again, since the answer to it got lost, counts once."""
        text = b""
        for call in self.named(f"POST {stream}"):
            if int(call.headers["Switchyard-Offset"]) == len(text):
                text += base64.b64decode(call.body).replace(b"\n\n", b"\n")
        return text

    def text(self, stream: str) -> str:
        return self.log(stream).decode("utf-8", "replace")
