"""How every call of the agent API is let in and answered: JSON, and never a page."""

import json
import logging
import math
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, NoReturn
from uuid import UUID

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, Error
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from dispatch import tokens
from dispatch.models import Assignment
from dispatch.outcomes import Category
from dispatch.redaction import FORGOTTEN, Redactor, Withholding, are_forgotten, redactor_for
from dispatch.reporting import keep_refused

VERSIONS = ("1",)
TOKEN_LIFE_AFTER_RELEASE = timedelta(minutes=10)
LARGEST_JSON = 1024 * 1024
RETRY_AFTER_SECONDS = "2"

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
            assignment = _caller(request, assignment_id)
            _check_whole(request)
            return view(request, assignment, **more)
        except Refusal as refusal:
            return refusal.answer
        except RequestDataTooBig:
            return JsonResponse({"error": "The body is too large."}, status=413)
        except UnreadablePostError:
            return JsonResponse({"error": "The body ended early."}, status=400)
        except DataError as error:
            logger.warning("The database does not take a report: %s", error)
            return JsonResponse({"error": "A value cannot be stored."}, status=400)
        except Error:
            logger.warning("The database did not answer", exc_info=True)
            headers = {"Retry-After": RETRY_AFTER_SECONDS}
            return JsonResponse({"error": "Try again."}, status=503, headers=headers)

    return wrapped


def _caller(request: HttpRequest, assignment_id: UUID) -> Assignment:
    """The Assignment that the token is for. Raises Refusal."""
    if request.method != "POST":
        refusal = Refusal(405, "Use POST.")
        refusal.answer["Allow"] = "POST"
        raise refusal
    if request.headers.get("Transfer-Encoding"):
        raise Refusal(411, "Give the body's length in Content-Length.")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    known = scheme.lower() == "bearer" and tokens.verify("assignment", assignment_id, token)
    rows = Assignment.objects.select_related("task__suite_run")
    assignment = rows.filter(pk=assignment_id).first() if known else None
    if assignment is None or _is_over(assignment):
        raise Refusal(401, "This token is not valid for this Assignment.")
    if request.headers.get("Switchyard-Agent", "") not in VERSIONS:
        raise Refusal(400, f"Switchyard-Agent: this side speaks version {', '.join(VERSIONS)}.")
    return assignment


def _check_whole(request: HttpRequest) -> None:
    """A connection that breaks off must not leave half a file. Raises Refusal (400)."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not declared.isdigit() or int(declared) != len(request.body):
        raise Refusal(400, "The body ended early.")


def _is_over(assignment: Assignment) -> bool:
    released = assignment.released_at
    return released is not None and timezone.now() - released > TOKEN_LIFE_AFTER_RELEASE


def fields(request: HttpRequest) -> dict[str, Any]:
    """The JSON object of a body, as it can be stored. Raises Refusal (400)."""
    if len(request.body) > LARGEST_JSON:
        raise Refusal(413, "The body is too large.")
    try:
        text = request.body.decode("utf-8", "replace")
        found = _storable(json.loads(text or "{}", parse_constant=_no_number))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, "The body is no JSON object: send {...}.")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _storable(value: Any) -> Any:
    """Without what JSON can say and no database keeps: half characters, NUL, endless numbers."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def text_of(found: dict[str, Any], name: str) -> str:
    """A text that may be left out. Raises Refusal (400) naming the field."""
    value = found.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refusal(400, f"{name}: give a text.")
    return value


def redactor_of(request: HttpRequest, assignment: Assignment) -> Redactor:
    """The Task's variables, and this Assignment's token as it came and as it is derived. Agents
    on machines that were given up may go on after the secrets are deleted: then nothing is let
    through."""
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    redactor = redactor_for(assignment.task_id, token, tokens.derive("assignment", assignment.pk))
    return Withholding(FORGOTTEN) if are_forgotten(assignment.pk) else redactor


def must_count(assignment: Assignment, kind: str, body: bytes = b"") -> None:
    """Raises Refusal (409) before the claim, and for late reports, which change nothing. Those
    are kept for diagnosis where `body` is given."""
    reason = _why_not(assignment)
    if reason:
        if body and not assignment.live:
            keep_refused(assignment.pk, kind, reason, body)
        raise Refusal(409, reason)


def _why_not(assignment: Assignment) -> str:
    """Empty for the live Assignment, and for one that its own finish has closed."""
    if assignment.live:
        return "" if assignment.claimed_at else "Claim the Assignment first."
    if assignment.category == Category.CANCELLED:
        return "The Task was cancelled."
    if assignment.superseded:
        return "A later attempt has taken over."
    return "" if assignment.finished_at else f"The attempt has ended: {assignment.category}."
