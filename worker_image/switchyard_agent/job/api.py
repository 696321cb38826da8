"""The calls of the agent API, below /api/agent/v1/assignments/ID/. No state, no decisions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import VERSION
from ..errors import Unreachable
from ..stopping import Deadline
from ..wire import Call, Wire
from ..worker_api import header_text
from .settings import Caller

FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.5, 20.0
# More than any log will ever have: the answer tells how much of it has arrived.
BEYOND_ANY_LOG = 10**14


def connect(caller: Caller, deadline: Deadline) -> Wire:
    return Wire(
        base_url=f"{caller.control_plane_url}/api/agent/v1/assignments/{caller.assignment_id}",
        headers={
            "Authorization": f"Bearer {caller.token}",
            "Switchyard-Agent": VERSION,
            "User-Agent": f"switchyard-agent/{VERSION}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        },
        deadline=deadline,
        timeout_seconds=caller.http_timeout_seconds,
        first_backoff_seconds=FIRST_BACKOFF_SECONDS,
        longest_backoff_seconds=LONGEST_BACKOFF_SECONDS,
    )


def fields(body: bytes) -> Mapping[str, Any]:
    """The JSON object of an answer. Raises Unreachable where it is none: something that stands in
    between has answered."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unreachable("answered something that is no JSON object")
    return found


def claim(instance: str) -> Call:
    return _json("claim", {"instance": instance})


def heartbeat(phase: str, counters: Mapping[str, int]) -> Call:
    return _json("heartbeat", {"phase": phase, "counters": dict(counters)})


def git_token() -> Call:
    return _json("git-token", {})


def token(body: bytes) -> str:
    """The token, or nothing where there is none."""
    text = str(fields(body).get("token") or "")
    return text if re.fullmatch(r"[A-Za-z0-9_.-]+", text) else ""


def event(number: int, kind: str, detail: str = "") -> Call:
    """The detail shows what was said last, should it be too long."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return _json("events", {"seq": number, "type": kind, "at": at, "detail": detail[-2000:]})


def log_lines(stream: str, lines: bytes, offset: int, *, last: bool) -> Call:
    return Call(
        method="POST",
        path=f"/logs/{stream}?offset={offset}" + ("&end=1" if last else ""),
        body=lines,
        headers={"Content-Type": "application/octet-stream"},
    )


def results(file: Path, name: str) -> Call:
    xml = name.endswith(".xml")
    return _file("results", file, name, "application/xml" if xml else "application/json")


def artifact(file: Path, name: str) -> Call:
    image = name.lower().endswith(".png")
    return _file("artifacts", file, name, "image/png" if image else "application/octet-stream")


def finish(report: Mapping[str, Any]) -> Call:
    return _json("finish", report)


def _json(path: str, payload: Mapping[str, Any]) -> Call:
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    return Call(method="POST", path=f"/{path}", body=body.encode("utf-8", "replace"))


def _file(path: str, file: Path, name: str, content_type: str) -> Call:
    headers = {"Content-Type": content_type, "X-Filename": header_text(name)}
    return Call(method="POST", path=f"/{path}", body=file, headers=headers)
