"""The calls by which an agent takes up an Assignment, and says how far it is."""

import re
from datetime import datetime

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from dispatch import github, wake
from dispatch.agent_api.calls import Refusal, call, fields, must_count, redactor_of, text_of
from dispatch.agent_api.judging import counters_of
from dispatch.agent_api.work_order import work_order
from dispatch.evidence import AGENT_EVENT
from dispatch.models import Assignment, TaskEvent
from dispatch.outcomes import Category
from dispatch.request_log import unlogged
from dispatch.results import LARGEST_COUNT

BUILD_FINISHED = "build_finished"
PHASES = {
    "cloned": "cloned",
    BUILD_FINISHED: "built",
    "services_ready": "services_ready",
    "tests_started": "tests_started",
}
EXAMPLES_COUNTED = "examples_counted"
MOST_EVENTS = 500
LONGEST_DETAIL = 2000
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@call
def claim(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    """The first instance wins and gets the work order, again and again; any other one leaves."""
    instance = fields(request).get("instance")
    if not isinstance(instance, str) or not 1 <= len(instance) <= 100:
        raise Refusal(400, "instance: give the pod's UID or the boot id, up to 100 characters.")
    if assignment.live and assignment.claimed_at is None:
        assignment.deliver()
        assignment.claim(instance)
    current = Assignment.by_id(assignment.pk)
    if not current.live or current.instance != instance:
        raise Refusal(409, "Another instance runs it, or it has ended: leave.")
    return JsonResponse(work_order(current))


@unlogged
@call
def heartbeat(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    """`cancel` tells the agent to stop; a superseded one is told so with 409."""
    counters_of(fields(request))
    cancelled = assignment.category == Category.CANCELLED
    if not cancelled:
        must_count(assignment, "heartbeat")
    if assignment.live:
        assignment.heard()
    return JsonResponse({"cancel": cancelled, "deadline": assignment.deadline_at})


@call
def git_token(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    """Relayed, for this Assignment's installation only; nothing of it is stored or logged. When
    it expires is not known here."""
    must_count(assignment, "git-token")
    if not assignment.live:
        raise Refusal(409, "The attempt has ended.")
    assignment.heard()
    installation = assignment.task.suite_run.github_installation_id
    token = github.installation_token(installation) if installation else ""
    headers = {"Cache-Control": "no-store"}
    return JsonResponse({"token": token, "expires_at": None}, headers=headers)


@call
def events(request: HttpRequest, assignment: Assignment) -> HttpResponse:
    """A number seen before changes nothing. The server's time of receipt rules."""
    found = fields(request)
    seq, kind = found.get("seq"), found.get("type")
    if type(seq) is not int or not 0 <= seq < 2**31:
        raise Refusal(400, "seq: give the event's number, from 0.")
    if not isinstance(kind, str) or not re.fullmatch(r"[a-z][a-z0-9_.-]{0,49}", kind):
        raise Refusal(400, "type: give the event's name in small letters.")
    detail, at = text_of(found, "detail"), _time(text_of(found, "at"))
    must_count(assignment, f"event {kind}", request.body)
    examples = _examples(detail) if kind == EXAMPLES_COUNTED else None
    cleaned = detail
    if not (kind == BUILD_FINISHED and DIGEST.fullmatch(detail)):
        # A digest tells nothing, and all of it is needed to know the image again.
        cleaned = redactor_of(request, assignment).clean_text(detail)[:LONGEST_DETAIL]
    with transaction.atomic():
        _note(assignment, seq, kind, {"at": at, "detail": cleaned})
        if kind in PHASES:
            _reach(assignment, PHASES[kind])
    if examples is not None:
        assignment.task.suite_run.count_examples(examples, assignment)
    assignment.heard()
    return JsonResponse({"seq": seq})


def _reach(assignment: Assignment, phase: str) -> None:
    """Others may wait for the image of one that was built."""
    first = assignment.reach(phase)
    if first and phase == "cloned":
        assignment.skip_build()
    if first and phase == "built":
        wake.send("built")


def _time(text: str) -> str:
    """The agent's own clock, for display; what is no time is left out."""
    try:
        return datetime.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        return ""


def _examples(detail: str) -> int:
    if re.fullmatch(r"[0-9]{1,10}", detail) and int(detail) <= LARGEST_COUNT:
        return int(detail)
    raise Refusal(400, f"detail: give the number of examples, up to {LARGEST_COUNT}.")


def _note(assignment: Assignment, seq: int, kind: str, facts: dict[str, str]) -> None:
    told = TaskEvent.objects.filter(assignment=assignment, agent_seq__isnull=False)
    if told.filter(agent_seq=seq).exists():
        return
    if told.count() >= MOST_EVENTS:
        raise Refusal(413, f"An Assignment may have {MOST_EVENTS} events.")
    try:
        with transaction.atomic():
            assignment.note(AGENT_EVENT + kind, agent_seq=seq, seq=seq, **facts)
    except IntegrityError:
        return  # the same event, told twice at the same moment


@csrf_exempt
def nowhere(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"error": "The agent API has no such address."}, status=404)
