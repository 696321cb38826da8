"""GET: what the agents reported of a Task: logs, results, artifacts."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.db.models import Max
from django.db.models.functions import Length
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from dispatch.api import queries
from dispatch.api.problems import NotFound, Refused
from dispatch.api.reading import find_attempt, find_task
from dispatch.models import Artifact, Assignment, LogChunk, LogStream
from dispatch.reporting import result_totals
from dispatch.results import Unreadable, document

MOST_EXAMPLES = 20_000
LONGEST_RUN = 1e9
CHUNKS_AT_ONCE = 4
DOWNLOAD = {"Content-Security-Policy": "sandbox; default-src 'none'"}


def list_logs(request: Request, task_id: UUID) -> dict[str, Any]:
    task = find_task(request, task_id)
    rows = LogStream.objects.filter(assignment__task=task).select_related("assignment")
    return {"streams": [_stream(row) for row in rows.order_by("assignment__number", "name")]}


def _stream(row: LogStream) -> dict[str, Any]:
    number = row.assignment.number
    name = quote(row.name, safe="")
    return {
        "attempt": number,
        "name": row.name,
        "length": row.length,
        "cut_from": row.cut_from,
        "cut_to": row.cut_to,
        "url": f"/api/v1/tasks/{row.assignment.task_id}/logs/{name}?attempt={number}",
    }


def read_log(request: Request, task_id: UUID, name: str) -> HttpResponseBase:
    """Bytes from an offset on. What was cut out of a long stream is passed over: the answer
    then begins behind it, as its header tells."""
    wanted = queries.LOG.read_from(request.query_params)
    attempt = find_attempt(request, task_id, wanted.get("attempt"))
    stream = LogStream.objects.filter(assignment=attempt, name=name).first()
    if stream is None:
        remedy = f"see /api/v1/tasks/{task_id}/logs for those that there are."
        raise NotFound("stream", f"This attempt has no such log: {remedy}")
    if wanted["offset"] > stream.length:
        raise Refused({"offset": f"Is behind the end: {stream.length} is the largest."})
    start, end = _range(stream, wanted["offset"], wanted["limit"])
    pieces = _pieces(stream, start, end)
    size = sum(map(len, pieces))
    headers = {
        "Log-Offset": str(start),
        "Log-Next-Offset": str(start + size),
        "Log-Length": str(stream.length),
        "Log-Complete": "false" if attempt.released_at is None else "true",
    }
    return _download(pieces, "application/octet-stream", headers)


def _download(
    pieces: list[bytes], content_type: str, headers: Mapping[str, str]
) -> HttpResponseBase:
    """From an iterator, so that they go as they are sent: a view and its answer know each other,
    and would keep a body until Python's collector comes by."""
    length = {"Content-Length": str(sum(map(len, pieces)))}
    return StreamingHttpResponse(
        iter(pieces), content_type=content_type, headers={**headers, **length, **DOWNLOAD}
    )


def _range(stream: LogStream, offset: int, limit: int) -> tuple[int, int]:
    if stream.cut_from is None or stream.cut_to is None or offset >= stream.cut_to:
        return offset, min(offset + limit, stream.length)
    if offset >= stream.cut_from:
        return stream.cut_to, min(stream.cut_to + limit, stream.length)
    return offset, min(offset + limit, stream.cut_from)


def _pieces(stream: LogStream, start: int, end: int) -> list[bytes]:
    """Never with a gap inside: it stops early where a chunk is missing."""
    chunks = LogChunk.objects.filter(stream=stream)
    first = chunks.filter(start__lte=start).aggregate(start=Max("start"))["start"]
    if first is None or start >= end:
        return []
    rows = chunks.filter(start__gte=first, start__lt=end).order_by("start")
    found: list[bytes] = []
    at = first
    for chunk_start, data in rows.values_list("start", "data").iterator(chunk_size=CHUNKS_AT_ONCE):
        if chunk_start != at:
            break
        found.append(bytes(memoryview(data)[max(0, start - at) : end - at]))
        at += len(data)
    return found


def results(request: Request, task_id: UUID) -> dict[str, Any]:
    wanted = queries.ATTEMPT.read_from(request.query_params)
    attempt = find_attempt(request, task_id, wanted.get("attempt"))
    files = list(attempt.result_files.order_by("name").defer("data"))
    found, left_out = _first_examples(attempt)
    return {
        "attempt": attempt.number,
        "summary": {**vars(result_totals(attempt.pk)), "exit_code": attempt.exit_code},
        "files": [{"name": f.name, "complete": f.complete, "at": f.at.isoformat()} for f in files],
        "examples": found,
        "examples_left_out": left_out,
        "artifacts": _artifacts(attempt),
    }


def _first_examples(attempt: Assignment) -> tuple[list[dict[str, Any]], int]:
    """And how many more there are. One file after the other: all together may be large."""
    rows = attempt.result_files.order_by("name").values_list("data", flat=True)
    found: list[dict[str, Any]] = []
    left_out = 0
    for data in rows.iterator(chunk_size=1):
        examples = list(_examples(bytes(data)))
        room = MOST_EXAMPLES - len(found)
        found += examples[:room]
        left_out += len(examples[room:])
    return found, left_out


def _artifacts(attempt: Assignment) -> list[dict[str, Any]]:
    rows = attempt.artifacts.order_by("name").defer("data").annotate(size=Length("data"))
    base = f"/api/v1/tasks/{attempt.task_id}/artifacts"
    return [
        {
            "name": row.name,
            "content_type": row.content_type,
            "size": row.size,
            "url": f"{base}/{quote(row.name, safe='')}?attempt={attempt.number}",
        }
        for row in rows
    ]


def _examples(data: bytes) -> Iterator[dict[str, Any]]:
    """The examples of a results file; none where it cannot be read."""
    try:
        examples = document(data).get("examples")
    except Unreadable:
        return
    for example in examples if isinstance(examples, list) else ():
        if isinstance(example, dict):
            yield _example(example)


def _example(example: dict[str, Any]) -> dict[str, Any]:
    exception = example.get("exception")
    line = example.get("line_number")
    return {
        "id": _text(example.get("id")),
        "description": _text(example.get("full_description") or example.get("description")),
        "status": _text(example.get("status")),
        "file_path": _text(example.get("file_path")),
        "line_number": line if type(line) is int else None,
        "seconds": _seconds(example.get("run_time")),
        "message": _text(exception.get("message")) if isinstance(exception, dict) else "",
    }


def _seconds(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and abs(value) < LONGEST_RUN else None


def _text(value: Any) -> str:
    """Half surrogate pairs, which JSON can hold and UTF-8 cannot, become question marks."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def read_artifact(request: Request, task_id: UUID, name: str) -> HttpResponseBase:
    """To be saved, never shown by a browser as a page of ours."""
    wanted = queries.ATTEMPT.read_from(request.query_params)
    attempt = find_attempt(request, task_id, wanted.get("attempt"))
    artifact = Artifact.objects.filter(assignment=attempt, name=name).first()
    if artifact is None:
        remedy = f"see /api/v1/tasks/{task_id}/results for those that there are."
        raise NotFound("name", f"This attempt has no such artifact: {remedy}")
    disposition = f"attachment; filename*=UTF-8''{quote(artifact.name, safe='')}"
    headers = {"Content-Disposition": disposition}
    return _download([bytes(artifact.data)], artifact.content_type, headers)
