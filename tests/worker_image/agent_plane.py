"""The control plane's end of the agent API, on loopback: it records every call."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.worker_image.loopback import Loopback, OnLoopback, Reply, Request

ASSIGNMENT_ID = str(uuid.UUID(int=7))
PREFIX = f"/api/agent/v1/assignments/{ASSIGNMENT_ID}/"
TOKEN = "k1.the-token-of-this-assignment"
LARGEST_HELD_BACK = 64 * 1024

Answer = tuple[int, Any]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """`name` is the call in a word or two: `claim`, `events cloned`, `logs test`."""

    name: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class AgentPlane(OnLoopback):
    """`order` is what a claim gets. `answer` may say otherwise, call by call: a status and JSON,
    with `retry_after`; None leaves it. Such a call counts as refused, and is not among `calls`.
    `trouble` is what becomes of the usual answer (loopback.py), `deaf_to` the name of a call that
    is not read to its end; of an event there it is `events` alone."""

    order: dict[str, Any] = field(default_factory=dict)
    answer: Callable[[Taken], Answer | None] = lambda call: None
    trouble: Callable[[Taken], str] = lambda call: ""
    deaf_to: Callable[[str], bool] = lambda name: False
    retry_after: int | None = None
    token: str = ""
    cancel: bool = False
    calls: list[Taken] = field(default_factory=list)
    refused: list[Taken] = field(default_factory=list)
    instance: str = ""
    _logs: dict[str, bytearray] = field(default_factory=dict)
    _loopback: Loopback = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._loopback = Loopback(self._reply, deaf_to=lambda path: self.deaf_to(name_of(path)))

    def _reply(self, request: Request) -> Reply:
        if not request.path.startswith(PREFIX):
            return json_reply(404, {"error": "not here"})
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return json_reply(401, {"error": "not yours"})
        name = name_of(request.path)
        if name == "events":
            name = f"events {json.loads(request.body)['type']}"
        query = {key: values[0] for key, values in parse_qs(urlsplit(request.path).query).items()}
        call = Taken(name=name, query=query, headers=request.headers, body=request.body)
        with self._lock:
            if (answer := self.answer(call)) is not None:
                self.refused.append(call)
                return json_reply(*answer, retry_after=self.retry_after)
            self.calls.append(call)
            return json_reply(*self._usual(call), trouble=self.trouble(call))

    def _usual(self, call: Taken) -> Answer:
        if call.name == "claim":
            instance = call.json["instance"]
            self.instance = self.instance or instance
            return (200, self.order) if instance == self.instance else (409, {"error": "leave"})
        if call.name == "heartbeat":
            return 200, {"cancel": self.cancel, "deadline": None}
        if call.name == "git-token":
            return 200, {"token": self.token, "expires_at": None}
        if call.name.startswith("logs "):
            return self._append(call)
        return 200, {}

    def _append(self, call: Taken) -> Answer:
        """Whole lines are acknowledged, overlaps ignored; a gap is refused."""
        stream, offset = call.name.removeprefix("logs "), int(call.query["offset"])
        log, data = self._logs.setdefault(stream, bytearray()), call.body
        cut = data.rfind(b"\n") + 1
        if "end" not in call.query and (cut or len(data) < LARGEST_HELD_BACK):
            data = data[:cut]
        if offset > len(log):
            return 409, {"error": "gap", "offset": len(log)}
        log += data[len(log) - offset :]
        return 200, {"offset": offset + len(data)}

    def forget_log(self, stream: str, keep: int) -> None:
        """As after a restore from a backup."""
        with self._lock:
            del self._logs[stream][keep:]

    def names(self) -> list[str]:
        """Every call but heartbeats and logs, in order, each run of the same one once."""
        found = [call.name for call in list(self.calls)]
        return [name for name in found if not name.startswith(("heartbeat", "logs"))]

    def events(self) -> list[str]:
        return [name.removeprefix("events ") for name in self.names() if name[:7] == "events "]

    def named(self, name: str) -> list[Taken]:
        return [call for call in list(self.calls) if call.name == name]

    def only(self, name: str) -> Taken:
        (call,) = self.named(name)
        return call

    def has(self, name: str) -> bool:
        return bool(self.named(name))

    def log(self, stream: str) -> bytes:
        with self._lock:
            return bytes(self._logs.get(stream, b""))

    def log_size(self, stream: str) -> int:
        return len(self._logs.get(stream, b""))

    def text(self, stream: str) -> str:
        return self.log(stream).decode("utf-8", "replace")


def name_of(path: str) -> str:
    return urlsplit(path).path.removeprefix(PREFIX).replace("/", " ")


def json_reply(
    status: int, answer: Any, *, trouble: str = "", retry_after: int | None = None
) -> Reply:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Reply(status=status, body=json.dumps(answer).encode(), headers=headers, trouble=trouble)


def work_order(clone_url: str, commit: str, **changes: Any) -> dict[str, Any]:
    """As the control plane answers a claim."""
    return {
        "assignment_id": ASSIGNMENT_ID,
        "task_id": "task-1",
        "attempt": 1,
        "account": "acme",
        "suite_run_id": "suite-1",
        "repository": "acme/shop",
        "clone_url": clone_url,
        "commit": commit,
        "branch": "main",
        "project_name": "shop",
        "user_id": "",
        "github_installation_id": "77",
        "order_index": 1,
        "order_count": 1,
        "seed": 42,
        "paths": {
            "dockerfile": ".saturnci/Dockerfile",
            "compose": ".saturnci/docker-compose.yml",
            "pre_script": ".saturnci/pre.sh",
            "service": "saturn_test_app",
        },
        "command": None,
        "test_files": None,
        "timeout_seconds": 600,
        "log_cap_bytes": 100_000_000,
        "deadline": None,
        **changes,
    }
