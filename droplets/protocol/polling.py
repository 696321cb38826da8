"""The poll: every Worker asks every 5 seconds, and an agent that meets trouble up to hundreds of
times a second. One read, no objects, and a write in 15 seconds while there is nothing to do.
"""

import hmac
import json
import logging
import time
from typing import Any
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from dispatch import prepared, tokens
from dispatch.models import Assignment
from dispatch.outcomes import Category
from dispatch.request_log import unlogged
from droplets.config import config
from droplets.models import Worker, WorkerState
from droplets.protocol.answers import Refusal, answered
from droplets.protocol.callers import (
    TOKEN_LIFE_AFTER_RELEASE,
    UNKNOWN,
    check_address,
    credentials,
    is_token,
    mark_seen,
    seen_resolution,
)
from droplets.protocol.item import env_vars_of, item
from droplets.protocol.readiness import become_ready

QUIET_SECONDS = 0.95
MOST_REMEMBERED = 10_000

logger = logging.getLogger(__name__)

READ = """
SELECT w.state, w.token_digest, w.last_seen_at > %s,
       a.id IS NOT NULL AND a.closed_at IS NULL AND a.external_id = %s,
       a.released_at < %s
FROM droplets_worker w LEFT JOIN dispatch_assignment a ON a.id = w.assignment_id
WHERE w.id = %s AND w.destroyed_at IS NULL
"""
MARK = """
UPDATE droplets_worker SET last_seen_at = %s
WHERE id = %s AND destroyed_at IS NULL AND (last_seen_at IS NULL OR last_seen_at <= %s)
"""
# PostgreSQL does both in one round trip, which is most of what a poll costs.
MARK_AND_READ = f"WITH seen AS ({MARK}) {READ}"

# Workers that were just told that there is nothing: when, and the token that they had shown.
_quiet: dict[UUID, tuple[float, str]] = {}


@unlogged
@answered("GET")
def worker_assignments(request: HttpRequest, worker_id: str) -> HttpResponse:
    """An array: empty, or with the one work order, until that has ended. Never anything else
    with a 200, and `[]` rather than an error wherever that is true for the agent that asks."""
    caller, token = credentials(request)
    check_address(caller, worker_id)
    if _was_just_told(caller, token):
        return _array([])
    try:
        return _array(_ask(caller, token))
    except (DatabaseError, InterfaceError):
        return _without_database(request, caller, token)


def _array(items: list[dict[str, Any]]) -> HttpResponse:
    return HttpResponse(json.dumps(items), content_type="application/json; charset=utf-8")


def _was_just_told(worker_id: UUID, token: str) -> bool:
    told_at, known = _quiet.get(worker_id, (0.0, ""))
    if time.monotonic() - told_at > QUIET_SECONDS:
        return False
    return hmac.compare_digest(known.encode(), token.encode())


def _remember(worker_id: UUID, token: str) -> None:
    if len(_quiet) >= MOST_REMEMBERED:
        _quiet.clear()
    _quiet[worker_id] = (time.monotonic(), token)


def _ask(worker_id: UUID, token: str) -> list[dict[str, Any]]:
    derived = tokens.verify("worker", worker_id, token)
    state, has_work = _read(worker_id, token, derived)
    if state == WorkerState.PROVISIONING:
        become_ready(worker_id)
    found = _hand_out(worker_id) if has_work and state == WorkerState.BUSY else []
    if not found:
        _remember(worker_id, token)
    return found


def _read(worker_id: UUID, token: str, derived: bool) -> tuple[str, bool]:
    """The Worker's state and whether there is work for it; notes that it was heard. `derived`:
    the token is known to be right, unless the Worker has another (an imported one has)."""
    at_once = derived and connection.vendor == "postgresql"
    row = _fetch(worker_id, and_mark=at_once)
    if row is None:
        raise Refusal(401, UNKNOWN)
    state, digest, fresh, has_work, dead = row
    if dead or not is_token(worker_id, token, digest):
        raise Refusal(401, UNKNOWN)
    if not (fresh or at_once):
        mark_seen(worker_id)
    return state, has_work


def _fetch(worker_id: UUID, *, and_mark: bool) -> tuple[Any, ...] | None:
    now = timezone.now()
    stale = now - seen_resolution()
    key = worker_id if connection.features.has_native_uuid_field else worker_id.hex
    read = [stale, str(worker_id), now - TOKEN_LIFE_AFTER_RELEASE, key]
    # Whether the connection still lives shows by itself here; asking first costs as much again.
    connection.health_check_done = True  # type: ignore[attr-defined]
    if and_mark:
        rows = prepared.run(MARK_AND_READ, [now, key, stale, *read])
    else:
        rows = prepared.run(READ, read)
    return rows[0] if rows else None


def _hand_out(worker_id: UUID) -> list[dict[str, Any]]:
    """The Worker's live Assignment, marked as delivered before it goes out. One that is taken
    back in this very moment is not handed out."""
    assignment = _placed_here(worker_id)
    if assignment is None:
        return []
    try:
        env_vars = env_vars_of(assignment)
    except InvalidToken:
        sentence = "No key in SWITCHYARD_ENCRYPTION_KEYS fits this Task's variables: restore it."
        assignment.close(Category.UNKNOWN, sentence)
        return []
    if assignment.delivered_at is None and not assignment.deliver():
        assignment = _placed_here(worker_id)
        if assignment is None or assignment.delivered_at is None:
            return []
    return [item(assignment, env_vars)]


def _placed_here(worker_id: UUID) -> Assignment | None:
    held = Worker.objects.filter(pk=worker_id).values("assignment_id")
    rows = Assignment.objects.select_related("task__suite_run")
    return rows.filter(pk__in=held, external_id=str(worker_id), closed_at=None).first()


def _without_database(request: HttpRequest, worker_id: UUID, token: str) -> HttpResponse:
    """The Ruby agent asks only while it has nothing, and gives up after five errors in a row:
    "nothing yet" is true for it. Our own would take that for the end of its work; it waits."""
    logger.warning("The database did not answer a poll", exc_info=True)
    connection.close()
    own = config().agent == "switchyard"
    own = own or request.headers.get("User-Agent", "").startswith("switchyard-agent/")
    if own or not tokens.verify("worker", worker_id, token):
        raise Refusal(503, "Try again.")
    return _array([])
