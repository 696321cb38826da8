"""The poll: every Worker asks every 5 seconds, and an agent that meets trouble up to hundreds of
times a second. One read, no objects, and a write in 15 seconds while there is nothing to do.
"""

import json
import logging
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from dispatch import tokens
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

# A Worker's own empty answer is repeated from memory for so long: over one poll a second costs
# nothing. What one read says of all idle Workers serves the others' polls for a moment, too
# short to delay work noticeably: a storm of polls costs a handful of reads a second.
OWN_SECONDS = 0.95
SHARED_SECONDS = 0.2
MOST_REMEMBERED = 10_000

logger = logging.getLogger(__name__)

READ = """
SELECT w.id, w.state, w.token_digest, w.last_seen_at > %s,
       a.id IS NOT NULL AND a.closed_at IS NULL AND a.external_id = %s,
       a.released_at < %s
FROM droplets_worker w LEFT JOIN dispatch_assignment a ON a.id = w.assignment_id
WHERE w.destroyed_at IS NULL AND (w.id = %s OR w.state = 'idle')
"""


class Memory:
    """Workers for which there was nothing when the database was last read, by id: until when
    that is repeated, and the digest of an imported one's token."""

    def __init__(self) -> None:
        self._until: dict[UUID, float] = {}
        self._digests: dict[UUID, str] = {}

    def says_nothing(self, worker_id: UUID, token: str) -> bool:
        if self._until.get(worker_id, 0.0) < time.monotonic():
            return False
        return is_token(worker_id, token, self._digests.get(worker_id, ""))

    def keep(self, worker_id: UUID, digest: str, seconds: float) -> None:
        if len(self._until) >= MOST_REMEMBERED:
            self._until.clear()
            self._digests.clear()
        until = time.monotonic() + seconds
        self._until[worker_id] = max(until, self._until.get(worker_id, 0.0))
        self._digests[worker_id] = digest


_memory = Memory()


@unlogged
@answered("GET")
def worker_assignments(request: HttpRequest, worker_id: str) -> HttpResponse:
    """An array: empty, or with the one work order, until that has ended. Never anything else
    with a 200, and `[]` rather than an error wherever that is true for the agent that asks."""
    caller, token = credentials(request)
    check_address(caller, worker_id)
    if _memory.says_nothing(caller, token):
        return _array([])
    try:
        return _array(_ask(caller, token))
    except (DatabaseError, InterfaceError):
        return _without_database(request, caller, token)


def _array(items: list[dict[str, Any]]) -> HttpResponse:
    return HttpResponse(json.dumps(items), content_type="application/json; charset=utf-8")


def _ask(worker_id: UUID, token: str) -> list[dict[str, Any]]:
    row = _read(worker_id)
    if row is None or row.dead or not is_token(worker_id, token, row.digest):
        raise Refusal(401, UNKNOWN)
    if not row.fresh:
        mark_seen(worker_id)
    if row.state == WorkerState.PROVISIONING:
        become_ready(worker_id)
    found = _hand_out(worker_id) if row.has_work and row.state == WorkerState.BUSY else []
    if not found:
        _memory.keep(worker_id, row.digest, OWN_SECONDS)
    return found


class Row(NamedTuple):
    """`fresh`: seen so recently that it need not be written again. `dead`: its token is."""

    worker_id: UUID
    state: str
    digest: str
    fresh: bool | None
    has_work: bool | None
    dead: bool | None


def _read(worker_id: UUID) -> Row | None:
    """The row of one Worker. What the same read says of the idle ones is remembered; those who
    have to be marked as seen are not among them, so that their own poll does it."""
    own = None
    for row in _rows(worker_id):
        if row.worker_id == worker_id:
            own = row
        elif row.fresh:
            _memory.keep(row.worker_id, row.digest, SHARED_SECONDS)
    return own


def _rows(worker_id: UUID) -> Iterator[Row]:
    now = timezone.now()
    adapt = connection.ops.adapt_datetimefield_value
    values = [
        adapt(now - seen_resolution()),
        str(worker_id),
        adapt(now - TOKEN_LIFE_AFTER_RELEASE),
        worker_id if connection.features.has_native_uuid_field else worker_id.hex,
    ]
    # Whether the connection still lives shows by itself here; asking first costs as much again.
    connection.health_check_done = True
    with connection.cursor() as cursor:
        cursor.execute(READ, values)
        for key, *rest in cursor.fetchall():
            yield Row(key if isinstance(key, UUID) else UUID(key), *rest)


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
