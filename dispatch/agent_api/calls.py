"""How every call of the agent API is let in and answered: JSON, and never a page."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from uuid import UUID

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from dispatch import tokens
from dispatch.models import Assignment
from dispatch.outcomes import Category
from dispatch.reporting import keep_refused

VERSIONS = ("1",)
TOKEN_LIFE_AFTER_RELEASE = timedelta(minutes=10)
LARGEST_JSON = 1024 * 1024

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponse]


class Refusal(Exception):
    """The call is not served. `facts` go into the answer beside the error."""

    def __init__(self, status: int, error: str, **facts: Any) -> None:
        super().__init__(error)
        self.answer = JsonResponse({"error": error, **facts}, status=status)


def call(view: View) -> Callable[..., HttpResponse]:
    """For a POST view on the caller's own Assignment. 503 where the database is away: the agent
    tries again."""

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest, assignment_id: UUID, **more: Any) -> HttpResponse:
        try:
            return view(request, _caller(request, assignment_id), **more)
        except Refusal as refusal:
            return refusal.answer
        except RequestDataTooBig:
            return JsonResponse({"error": "The body is too large."}, status=413)
        except UnreadablePostError:
            return JsonResponse({"error": "The body ended early."}, status=400)
        except DatabaseError:
            logger.warning("The database did not answer", exc_info=True)
            return JsonResponse({"error": "Try again."}, status=503)

    return wrapped


def _caller(request: HttpRequest, assignment_id: UUID) -> Assignment:
    """The Assignment that the token is for. Raises Refusal."""
    if request.method != "POST":
        raise Refusal(405, "Use POST.")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    known = scheme.lower() == "bearer" and tokens.verify("assignment", assignment_id, token)
    rows = Assignment.objects.select_related("task__suite_run")
    assignment = rows.filter(pk=assignment_id).first() if known else None
    if assignment is None or _is_over(assignment):
        raise Refusal(401, "This token is not valid for this Assignment.")
    if request.headers.get("Switchyard-Agent", "") not in VERSIONS:
        raise Refusal(400, f"Switchyard-Agent: this side speaks version {', '.join(VERSIONS)}.")
    return assignment


def _is_over(assignment: Assignment) -> bool:
    released = assignment.released_at
    return released is not None and timezone.now() - released > TOKEN_LIFE_AFTER_RELEASE


def fields(request: HttpRequest) -> dict[str, Any]:
    """The JSON object of a body. Raises Refusal (400)."""
    if len(request.body) > LARGEST_JSON:
        raise Refusal(413, "The body is too large.")
    try:
        found = json.loads(request.body.decode("utf-8", "replace") or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, "The body is no JSON object: send {...}.")
    return found


def must_count(assignment: Assignment, kind: str, body: bytes) -> None:
    """Late reports change nothing. Raises Refusal (409), and keeps the report for diagnosis,
    unless it is of the live Assignment, or of one that its own finish has closed."""
    if assignment.live:
        return
    if assignment.category == Category.CANCELLED:
        reason = "The Task was cancelled."
    elif assignment.superseded:
        reason = "A later attempt has taken over."
    elif assignment.finished_at:
        return
    else:
        reason = f"The attempt has ended: {assignment.category}."
    keep_refused(assignment.pk, kind, reason, body)
    raise Refusal(409, reason)
