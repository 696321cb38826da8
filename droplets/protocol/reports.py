"""What is common to all reports about a Task: whose they are, and whether they still count.

Late reports change nothing. Closed by its own report: logs, results and artifacts are stored for
display, the same finish again is 200. Cancelled, or superseded by a later attempt, or ended by us
for another reason: logs are taken, all else is 409 and kept for diagnosis.
"""

import json
import re
from typing import Any

from django.http import HttpRequest

from dispatch import tokens
from dispatch.models import Assignment
from dispatch.outcomes import Category
from dispatch.redaction import Redactor, redactor_for
from dispatch.reporting import keep_refused
from droplets.models import Worker
from droplets.protocol.answers import Refusal
from droplets.protocol.callers import assignment_of, caller, credentials

LONGEST_KIND = 50
# Only a report can have ended an Assignment like this.
ENDED_BY_REPORT = (
    Category.PASSED,
    Category.FAILED,
    Category.BUILD_FAILED,
    Category.PRE_SCRIPT_FAILED,
)


def reported(request: HttpRequest, task_id: str) -> tuple[Worker, Assignment]:
    """Who reports about which Assignment, noted as a sign of life. Raises Refusal.

    A report of an Assignment that was handed out but never acknowledged (the answer was an error
    six times, and the agent went on) is its acknowledgement.
    """
    worker = caller(request)
    assignment = assignment_of(worker, task_id)
    if assignment.live and assignment.claimed_at is None:
        claim(assignment, worker)
    assignment.heard()
    return worker, assignment


def claim(assignment: Assignment, worker: Worker) -> None:
    assignment.deliver()
    assignment.claim(str(worker.pk))


def must_count(assignment: Assignment, kind: str, body: bytes) -> None:
    """Raises Refusal (409), and keeps the report, where it may not change or show anything."""
    reason = _why_late(assignment)
    if reason:
        keep_refused(assignment.pk, kind, reason, body)
        raise Refusal(409, reason)


def _why_late(assignment: Assignment) -> str:
    if assignment.live:
        return ""
    if assignment.category == Category.CANCELLED:
        return "The Task was cancelled."
    if assignment.superseded:
        return "A later attempt has taken over."
    if assignment.finished_at or assignment.category in ENDED_BY_REPORT:
        return ""
    return f"The attempt has ended: {assignment.category}."


def redactor_of(request: HttpRequest, assignment: Assignment) -> Redactor:
    """The Task's variables, and the token of the Worker itself as it came and as it is derived."""
    worker_id, token = credentials(request)
    return redactor_for(assignment.task_id, token, tokens.derive("worker", worker_id))


def fields(request: HttpRequest) -> dict[str, Any]:
    """The JSON object of a body. Raises Refusal (400)."""
    try:
        found = json.loads(request.body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, "The body is no JSON object: send {...}.")
    return found


def event_type(found: dict[str, Any]) -> str:
    """The name of an event, unknown ones included, as what may be stored. Raises Refusal (400)."""
    name = found.get("type")
    if not isinstance(name, str) or not name:
        raise Refusal(400, "type: give the event's name as a text.")
    return re.sub(r"[^a-zA-Z0-9_.:-]", "_", name)[:LONGEST_KIND]


def file_name(request: HttpRequest) -> str:
    """X-Filename. Ruby sends its bytes as they are; WSGI reads headers as Latin-1."""
    name: str = request.headers.get("X-Filename", "")
    return name.encode("latin-1", "replace").decode("utf-8", "replace")
