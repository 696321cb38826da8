"""The calls of the agent API, in the order in which an agent makes them."""

import re
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from dispatch import github, reporting
from dispatch.agent_api.calls import Refusal, call, fields, must_count
from dispatch.agent_api.judging import close_by_report, finish_of
from dispatch.agent_api.work_order import work_order
from dispatch.models import Assignment, TaskEvent
from dispatch.outcomes import Category
from dispatch.redaction import redactor_for

PHASES = {
    "cloned": "cloned",
    "build_finished": "built",
    "services_ready": "services_ready",
    "tests_started": "tests_started",
}
STREAM = re.compile(r"(system|build|test|service-[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?)")
LARGEST_HELD_BACK = 64 * 1024


@call
def claim(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    """The first instance wins and gets the work order, again and again; any other one leaves."""
    instance = fields(request).get("instance")
    if not isinstance(instance, str) or not 1 <= len(instance) <= 100:
        raise Refusal(400, "instance: give the pod's UID or the boot id, up to 100 characters.")
    assignment.deliver()
    if not assignment.claim(instance):
        assignment = Assignment.by_id(assignment.pk)
    if not assignment.live or assignment.instance != instance:
        raise Refusal(409, "Another instance runs it, or it has ended: leave.")
    return JsonResponse(work_order(assignment))


@call
def heartbeat(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    """`cancel` tells the agent to stop; a superseded one is told so with 409."""
    fields(request)
    if assignment.live:
        assignment.heard()
    elif assignment.category != Category.CANCELLED:
        must_count(assignment, "heartbeat", request.body)
    answer = {"cancel": not assignment.live, "deadline": assignment.deadline_at}
    return JsonResponse(answer)


@call
def git_token(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    """Relayed, for this Assignment's installation only; nothing of it is stored or logged."""
    if not assignment.live or assignment.claimed_at is None:
        raise Refusal(409, "Claim the Assignment first.")
    installation = assignment.task.suite_run.github_installation_id
    token = github.installation_token(installation) if installation else ""
    return JsonResponse({"token": token, "expires_at": None})


@call
def events(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    """A number seen before changes nothing. The server's time of receipt rules."""
    found = fields(request)
    seq, kind = found.get("seq"), found.get("type")
    if type(seq) is not int or not 0 <= seq < 2**31:
        raise Refusal(400, "seq: give the event's number, from 0.")
    if not isinstance(kind, str) or not re.fullmatch(r"[a-z][a-z0-9_.-]{0,49}", kind):
        raise Refusal(400, "type: give the event's name in small letters.")
    must_count(assignment, f"event {kind}", request.body)
    with transaction.atomic():
        _note(assignment, seq, kind, found)
        if kind in PHASES:
            assignment.reach(PHASES[kind])
    assignment.heard()
    return JsonResponse({"seq": seq})


def _note(assignment: Assignment, seq: int, kind: str, found: dict[str, Any]) -> None:
    detail = str(found.get("detail") or "")[:2000]
    redactor = redactor_for(assignment.task_id)
    facts = {"seq": seq, "at": str(found.get("at", ""))[:40], "detail": redactor.clean_text(detail)}
    seen = TaskEvent.objects.filter(assignment=assignment, agent_seq=seq)
    if seen.exists():
        return
    try:
        with transaction.atomic():
            assignment.note(f"agent.{kind}", agent_seq=seq, **facts)
    except IntegrityError:
        return  # the same event, told twice at the same moment


@call
def logs(request: HttpRequest, assignment: Assignment, stream: str) -> HttpResponse:
    """Raw bytes from an offset on. Whole lines are acknowledged; what is left of the last one is
    sent again with what follows, so that no secret is cut in two, or with `end=1`."""
    if not STREAM.fullmatch(stream):
        raise Refusal(404, "stream: use system, build, test or service-NAME.")
    offset = request.GET.get("offset", "")
    if not re.fullmatch(r"\d{1,15}", offset):
        raise Refusal(400, "offset: give the number of bytes sent before.")
    data = _whole_lines(request.body, end=request.GET.get("end") == "1")
    redactor = redactor_for(assignment.task_id)
    try:
        reporting.append_log(assignment.pk, stream, data, redactor=redactor, offset=int(offset))
    except reporting.Gap as gap:
        raise Refusal(409, "Bytes are missing before these.", offset=gap.received) from None
    if assignment.live:
        assignment.heard()
    return JsonResponse({"offset": int(offset) + len(data)})


def _whole_lines(data: bytes, *, end: bool) -> bytes:
    """A line without an end is taken in pieces, or memory would have to hold all of it."""
    cut = data.rfind(b"\n") + 1
    if end or (not cut and len(data) >= LARGEST_HELD_BACK):
        return data
    return data[:cut]


@call
def results(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    must_count(assignment, "results", request.body)
    name = _file_name(request, "results.json")
    redactor = redactor_for(assignment.task_id)
    try:
        file = reporting.store_results(assignment, name, request.body, redactor=redactor)
    except reporting.TooMuch as problem:
        raise Refusal(413, f"The results are not kept: {problem}.") from None
    assignment.reach("reported")
    return JsonResponse({"test_case_count": file.example_count})


@call
def artifacts(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    must_count(assignment, "artifact", request.body)
    name = _file_name(request, "artifact")
    try:
        reporting.store_artifact(assignment.pk, name, request.content_type or "", request.body)
    except reporting.TooMuch as problem:
        raise Refusal(413, f"The artifact is not kept: {problem}.") from None
    return JsonResponse({"name": name})


@call
def finish(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    """The final report. The same one again is 200, a different one 409."""
    report = finish_of(fields(request))
    must_count(assignment, "finish", request.body)
    if assignment.finish is not None and assignment.finish != report:
        raise Refusal(409, "This Assignment was finished with another report.")
    if assignment.finish is None:
        rows = Assignment.objects.filter(pk=assignment.pk, closed_at=None, finish__isnull=True)
        rows.update(finish=report, exit_code=report["exit_code"], finished_at=timezone.now())
        close_by_report(Assignment.by_id(assignment.pk))
    elif assignment.live:
        close_by_report(assignment)
    return JsonResponse({"state": Assignment.by_id(assignment.pk).category or "open"})


def _file_name(request: HttpRequest, default: str) -> str:
    raw: bytes = request.headers.get("X-Filename", default).encode("latin-1", "replace")
    return reporting.safe_name(raw.decode("utf-8", "replace"), default)


@csrf_exempt
def nowhere(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"error": "The agent API has no such address."}, status=404)
