"""The calls of the legacy worker protocol, below /api/v1/worker_agents/. No state, no decisions."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import VERSION
from .errors import Unreachable
from .settings import Settings
from .stopping import Deadline
from .wire import Call, Wire

BASE_PATH = "/api/v1/worker_agents"
BASE64_COLUMNS = 60


def connect(settings: Settings, deadline: Deadline) -> Wire:
    credentials = f"{settings.worker_id}:{settings.worker_access_token}".encode()
    return Wire(
        base_url=settings.api_host + BASE_PATH,
        headers={
            "Authorization": "Basic " + base64.b64encode(credentials).decode(),
            "Content-Type": "application/json",
            "Accept": "*/*",
            "User-Agent": f"switchyard-agent/{VERSION}",
        },
        deadline=deadline,
        timeout_seconds=settings.http_timeout_seconds,
        first_backoff_seconds=settings.first_backoff_seconds,
        longest_backoff_seconds=settings.longest_backoff_seconds,
    )


def worker_event(worker_id: str, kind: str) -> Call:
    return _post(f"workers/{worker_id}/worker_events", {"type": kind})


def worker_assignments(worker_id: str) -> Call:
    return Call(method="GET", path=f"/workers/{worker_id}/worker_assignments")


def items(body: bytes) -> list[Mapping[str, Any]]:
    """The items of an answer to `worker_assignments`. Anything but an array of objects is no
    answer at all: raises Unreachable."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Unreachable("answered something that is no array of assignments")
    return found


def github_token(installation_id: str) -> Call:
    return _post("github_tokens", {"github_installation_id": installation_id})


def token(body: bytes) -> str:
    """The bare token, or nothing where the body is anything else."""
    text = body.decode("ascii", "replace").strip()
    return text if re.fullmatch(r"[A-Za-z0-9_.-]+", text) else ""


def task_event(task_id: str, kind: str, detail: str = "") -> Call:
    return _post(
        f"tasks/{task_id}/task_events", {"type": kind, **({"detail": detail} if detail else {})}
    )


def example_count(test_suite_run_id: str, count: int) -> Call:
    return _json("PATCH", f"test_suite_runs/{test_suite_run_id}", {"dry_run_example_count": count})


def log_lines(task_id: str, stream: str, lines: bytes, offset: int) -> Call:
    """`stream` is system_logs or test_output. Like the legacy agent this sends a newline more
    after each line, in Base64. `offset` is where `lines` begins in the stream, counted before
    that: a chunk that is sent again because its answer got lost can be told by it."""
    encoded = base64.b64encode(lines.replace(b"\n", b"\n\n"))
    columns = range(0, len(encoded), BASE64_COLUMNS)
    return Call(
        method="POST",
        path=f"/tasks/{task_id}/{stream}",
        body=b"".join(encoded[at : at + BASE64_COLUMNS] + b"\n" for at in columns),
        headers={"Content-Type": "text/plain", "Switchyard-Offset": str(offset)},
    )


def json_output(task_id: str, path: Path) -> Call:
    return _file(f"/tasks/{task_id}/json_output", path, "application/json")


def test_failure_screenshot(task_id: str, path: Path) -> Call:
    return _file(f"/tasks/{task_id}/test_failure_screenshots", path, "image/png")


def task_finished(task_id: str) -> Call:
    return Call(method="POST", path=f"/tasks/{task_id}/task_finished_events")


def delete_runner(task_id: str) -> Call:
    return Call(method="DELETE", path=f"/tasks/{task_id}/runner")


def _post(path: str, payload: Mapping[str, Any]) -> Call:
    return _json("POST", path, payload)


def _json(method: str, path: str, payload: Mapping[str, Any]) -> Call:
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    return Call(method=method, path=f"/{path}", body=body.encode("utf-8", "replace"))


def _file(path: str, file: Path, content_type: str) -> Call:
    headers = {"Content-Type": content_type, "X-Filename": header_text(file.name)}
    return Call(method="POST", path=path, body=file, headers=headers)


def header_text(text: str) -> str:
    return re.sub(r"[^ -~]", "?", text.encode("ascii", "replace").decode())
