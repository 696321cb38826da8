"""Who calls, and what it may touch: a Worker's credentials reach its one Assignment alone."""

import binascii
import hashlib
import hmac
from base64 import b64decode
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from dispatch import tokens
from dispatch.models import Assignment
from droplets.config import config
from droplets.models import Worker
from droplets.protocol.answers import Refusal

TOKEN_LIFE_AFTER_RELEASE = timedelta(minutes=10)
LONGEST_SEEN_RESOLUTION = 15.0
UNKNOWN = "Unauthorized"


def credentials(request: HttpRequest) -> tuple[UUID, str]:
    """The Worker's id and its token from HTTP Basic. Raises Refusal."""
    scheme, _, encoded = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    try:
        text = b64decode(encoded, validate=True).decode()
        user, _, token = text.partition(":")
        if scheme.lower() == "basic" and token:
            return UUID(user), token
    except (binascii.Error, ValueError):
        pass
    raise Refusal(401, UNKNOWN)


def is_token(worker_id: UUID, token: str, digest: str) -> bool:
    """Ours are derived; an imported Worker's is only known by its SHA-256."""
    if digest:
        return hmac.compare_digest(hashlib.sha256(token.encode()).hexdigest(), digest)
    return tokens.verify("worker", worker_id, token)


def caller(request: HttpRequest, claimed_id: str = "") -> Worker:
    """The Worker that calls. `claimed_id` is the one in the address, if any. Raises Refusal."""
    worker_id, token = credentials(request)
    worker = Worker.objects.filter(pk=worker_id, destroyed_at=None).first()
    if worker is None or not is_token(worker_id, token, worker.token_digest):
        raise Refusal(401, UNKNOWN)
    if _is_dead(worker):
        raise Refusal(401, UNKNOWN)
    if claimed_id:
        check_address(worker_id, claimed_id)
    if _is_stale(worker):
        mark_seen(worker_id)
    return worker


def check_address(worker_id: UUID, claimed_id: str) -> None:
    if claimed_id.lower() != str(worker_id):
        raise Refusal(403, "These credentials are another Worker's.")


def _is_dead(worker: Worker) -> bool:
    if worker.assignment_id is None:
        return False
    before = timezone.now() - TOKEN_LIFE_AFTER_RELEASE
    return Assignment.objects.filter(pk=worker.assignment_id, released_at__lt=before).exists()


def seen_resolution() -> timedelta:
    """`last_seen_at` is written when it is older than this: fine enough to tell silence."""
    return timedelta(seconds=min(LONGEST_SEEN_RESOLUTION, config().silence / 4))


def mark_seen(worker_id: UUID) -> None:
    """Write that it was heard, unless another call has just done so."""
    now = timezone.now()
    stale = Q(last_seen_at=None) | Q(last_seen_at__lt=now - seen_resolution())
    Worker.objects.filter(stale, pk=worker_id).update(last_seen_at=now)


def _is_stale(worker: Worker) -> bool:
    seen_at = worker.last_seen_at
    return seen_at is None or timezone.now() - seen_at > seen_resolution()


def assignment_of(worker: Worker, task_id: str) -> Assignment:
    """The Worker's Assignment, if the address names its Task. Raises Refusal."""
    assignment = current_assignment(worker)
    if assignment is None or task_id.lower() != str(assignment.task_id):
        raise Refusal(404, "This Worker has no such Task.")
    return assignment


def current_assignment(worker: Worker) -> Assignment | None:
    if worker.assignment_id is None:
        return None
    rows = Assignment.objects.select_related("task__suite_run")
    return rows.filter(pk=worker.assignment_id, external_id=str(worker.pk)).first()
