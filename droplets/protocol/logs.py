"""Logs: Base64 in lines of 60 columns; what each post holds is appended in order of arrival."""

import binascii
import re

from django.http import HttpRequest, HttpResponse

from dispatch.models import Assignment
from dispatch.redaction import Redactor
from dispatch.reporting import append_log
from droplets.judging import TEST_STREAM, judge, note_exit_code
from droplets.protocol.answers import answered, plain
from droplets.protocol.reports import redactor_of, reported

SYSTEM_STREAM = "system"
NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")


@answered("POST")
def system_logs(request: HttpRequest, task_id: str) -> HttpResponse:
    _, assignment = reported(request, task_id)
    _append(request, assignment, SYSTEM_STREAM)
    return plain("")


@answered("POST")
def test_output(request: HttpRequest, task_id: str) -> HttpResponse:
    """The end of this stream holds the exit code of the tests."""
    _, assignment = reported(request, task_id)
    added = _append(request, assignment, TEST_STREAM)
    if added and note_exit_code(assignment, added):
        judge(assignment)
    return plain("")


def _append(request: HttpRequest, assignment: Assignment, stream: str) -> int:
    """Logs are taken at any time, whatever became of the Assignment. How much was stored."""
    redactor, offset = redactor_of(request, assignment), _offset(request)
    data = decode(request.body)
    lines = whole_lines(data, redactor) if offset is None else data.replace(b"\n\n", b"\n")
    if not lines:
        return 0
    added = append_log(assignment.pk, stream, lines, redactor=redactor, offset=offset, gaps=True)
    return len(added.stored)


def _offset(request: HttpRequest) -> int | None:
    """Only our own agent tells where its lines begin; it sends a chunk again whose answer was
    lost. It cleans what it sends, and never cuts a line in the middle of a secret."""
    text = request.headers.get("Switchyard-Offset", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def decode(body: bytes) -> bytes:
    """As Ruby does: whatever is no Base64 is skipped, and an incomplete end is left out."""
    text = NOT_BASE64.sub(b"", body).partition(b"=")[0]
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def whole_lines(data: bytes, redactor: Redactor) -> bytes:
    """Undo what the Ruby agent does: it ends each line twice. A last line that is ended once was
    caught half-written, and its rest never comes. Text that was not made like this stays."""
    rest = data.replace(b"\n\n", b"")
    if b"\n" in rest[:-1]:
        return data
    lines = data.replace(b"\n\n", b"\n")
    half_written = rest.endswith(b"\n")
    return redactor.clean_line_end(lines[:-1]) + b"\n" if half_written else lines
