"""The control plane's end of the agent API, on loopback: it records every call."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
class AgentPlane:
    """`order` is what a claim gets. `answer` may say otherwise, call by call: a status and JSON;
    None leaves it. Such a call counts as refused, and is not among `calls`."""

    order: dict[str, Any] = field(default_factory=dict)
    answer: Callable[[Taken], Answer | None] = lambda call: None
    token: str = ""
    cancel: bool = False
    port: int = 0
    calls: list[Taken] = field(default_factory=list)
    refused: list[Taken] = field(default_factory=list)
    instance: str = ""
    _logs: dict[str, bytes] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Also again, on the same port, after `stop`."""
        plane = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = plane.take(self.path, dict(self.headers), body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        parts = urlsplit(path)
        if not parts.path.startswith(PREFIX) or headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "not yours"}
        name = parts.path.removeprefix(PREFIX).replace("/", " ")
        if name == "events":
            name = f"events {json.loads(body)['type']}"
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        call = Taken(name=name, query=query, headers=headers, body=body)
        with self._lock:
            if (answer := self.answer(call)) is not None:
                self.refused.append(call)
                return answer
            self.calls.append(call)
            return self._usual(call)

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
        log, data = self._logs.get(stream, b""), call.body
        cut = data.rfind(b"\n") + 1
        if "end" not in call.query and (cut or len(data) < LARGEST_HELD_BACK):
            data = data[:cut]
        if offset > len(log):
            return 409, {"error": "gap", "offset": len(log)}
        self._logs[stream] = log + data[len(log) - offset :]
        return 200, {"offset": offset + len(data)}

    def forget_log(self, stream: str, keep: int) -> None:
        """As after a restore from a backup."""
        with self._lock:
            self._logs[stream] = self._logs.get(stream, b"")[:keep]

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
        return self._logs.get(stream, b"")

    def text(self, stream: str) -> str:
        return self.log(stream).decode("utf-8", "replace")


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
