"""The calls by which an agent hands over what the tests gave: logs, results, artifacts, and the
final report."""

import re
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from dispatch import reporting
from dispatch import results as result_files
from dispatch.agent_api.calls import Refusal, call, fields, must_count, redactor_of
from dispatch.agent_api.judging import close_by_report, finish_of
from dispatch.evidence import AGENT_EVENT
from dispatch.models import Assignment
from dispatch.redaction import Redactor
from dispatch.request_log import unlogged

STREAM = re.compile(r"system|build|test|service-[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LARGEST_HELD_BACK = 64 * 1024


@unlogged
@call
def logs(request: HttpRequest, assignment: Assignment, stream: str) -> HttpResponse:
    """Raw bytes from an offset on, whatever became of the Assignment. Whole lines are
    acknowledged; what is left of the last one is sent again with what follows, so that no secret
    is cut in two, or with `end=1`."""
    if not STREAM.fullmatch(stream):
        raise Refusal(404, "stream: use system, build, test or service-NAME.")
    offset = request.GET.get("offset", "")
    if not re.fullmatch(r"[0-9]{1,15}", offset):
        raise Refusal(400, "offset: give the number of bytes sent before.")
    end = request.GET.get("end") == "1"
    redactor = redactor_of(request, assignment)
    data = request.body if end else _whole_lines(request.body, redactor)
    try:
        added = reporting.append_log(
            assignment.pk, stream, data, redactor=redactor, offset=int(offset), end=end
        )
    except reporting.Gap as gap:
        raise Refusal(409, "Bytes are missing before these.", offset=gap.received) from None
    except reporting.TooMuch as problem:
        raise Refusal(413, f"The log is not kept: {problem}.") from None
    if assignment.live:
        assignment.heard()
    return JsonResponse({"offset": added.received})


def _whole_lines(data: bytes, redactor: Redactor) -> bytes:
    """A line without an end is taken in pieces, or memory would have to hold all of it."""
    cut = data.rfind(b"\n") + 1
    rest = data[cut:]
    if len(rest) >= LARGEST_HELD_BACK:
        cut += redactor.safe_cut(rest) or len(rest)
    return data[:cut]


@call
def results(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    """RSpec's JSON or JUnit XML. What cannot be read is kept as well, and is no pass."""
    must_count(assignment, "results", request.body)
    name = _file_name(request, "results")
    redactor = redactor_of(request, assignment)
    try:
        file = reporting.store_results(assignment, name, request.body, redactor=redactor)
    except reporting.TooMuch as problem:
        raise Refusal(413, f"The results are not kept: {problem}.") from None
    assignment.reach("reported")
    if not file.complete:
        raise Refusal(422, f"{file.name} is kept, but {_why(request.body)}.", test_case_count=0)
    return JsonResponse({"test_case_count": file.example_count})


def _why(body: bytes) -> str:
    try:
        result_files.read(body)
    except result_files.Unreadable as problem:
        return str(problem)
    return "it is incomplete"


@call
def artifacts(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    must_count(assignment, "artifact", request.body)
    name = _file_name(request, "artifact")
    try:
        artifact = reporting.store_artifact(
            assignment.pk, name, request.content_type or "", request.body
        )
    except reporting.TooMuch as problem:
        raise Refusal(413, f"The artifact is not kept: {problem}.") from None
    return JsonResponse({"name": artifact.name})


def _file_name(request: HttpRequest, default: str) -> str:
    """X-Filename, which is read as Latin-1 and may be UTF-8."""
    raw: bytes = request.headers.get("X-Filename", default).encode("latin-1", "replace")
    return reporting.safe_name(raw.decode("utf-8", "replace"), default)


@call
def finish(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    """The final report. The same one again is 200, a different one 409. One that was kept, and
    did not get to decide, decides when it comes again."""
    report = finish_of(fields(request))
    if assignment.finish != report:
        must_count(assignment, "finish", request.body)
        if not _kept(assignment, report):
            _check_the_same(Assignment.by_id(assignment.pk), report, request.body)
    current = Assignment.by_id(assignment.pk)
    if current.live:
        close_by_report(current)
    return JsonResponse({"state": Assignment.by_id(assignment.pk).category or "open"})


def _check_the_same(assignment: Assignment, report: dict[str, Any], body: bytes) -> None:
    """It was closed, or finished, in the meantime or before. Raises Refusal (409)."""
    if assignment.finish == report:
        return
    must_count(assignment, "finish", body)
    reason = "This Assignment was finished with another report."
    reporting.keep_refused(assignment.pk, "finish", reason, body)
    raise Refusal(409, reason)


def _kept(assignment: Assignment, report: dict[str, Any]) -> bool:
    """False where it was closed, or has a final report."""
    rows = Assignment.objects.filter(pk=assignment.pk, closed_at=None, finished_at=None)
    now = timezone.now()
    with transaction.atomic():
        first = rows.update(finish=report, exit_code=report["exit_code"], finished_at=now)
        if first:
            assignment.note(f"{AGENT_EVENT}finished", exit_code=report["exit_code"])
    return bool(first)
