"""Idempotency-Key: the answer is stored in the transaction of the work itself.

A concurrent duplicate waits for the first one: on PostgreSQL at the insert, which meets the
uncommitted row; on SQLite at the start of its transaction. Errors are not stored.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from rest_framework.exceptions import ParseError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from dispatch.api.auth import client_of
from dispatch.api.problems import Conflict, Refused
from dispatch.models import IdempotencyKey

HEADER = "Idempotency-Key"
VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}\Z")


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a request brought about: the answer's body, and where it can be read again."""

    body: dict[str, Any]
    location: str = ""
    status: int = 201


def once(request: Request, work: Callable[[], Made]) -> HttpResponse:
    """Do the work in a transaction, or give the answer that the same key got before."""
    key = _key(request)
    with transaction.atomic():
        if key is None:
            return _answer(work())
        row = _claim(request, key)
        if row.status is not None:
            return _replay(row, request)
        made = work()
        answer = _answer(made)
        rows = IdempotencyKey.objects.filter(pk=row.pk)
        rows.update(status=made.status, location=made.location, body=answer.content.decode())
        return answer


def _key(request: Request) -> str | None:
    key: str | None = request.headers.get(HEADER)
    if key is not None and not VISIBLE_ASCII.match(key):
        raise ParseError({HEADER: "Is no key: use 1 to 255 visible ASCII characters."})
    return key


def _claim(request: Request, key: str) -> IdempotencyKey:
    """The row of this key. One without a status is our own: nobody else's can be seen before
    its transaction ends, and by then it has one."""
    client = client_of(request)
    row = IdempotencyKey(client=client, key=key, fingerprint=_fingerprint(request))
    IdempotencyKey.objects.bulk_create([row], ignore_conflicts=True)
    found = IdempotencyKey.objects.filter(client=client, key=key).first()
    if found is None:
        raise Conflict({HEADER: "Was just forgotten for its age: send the request again."})
    return found


def _fingerprint(request: Request) -> str:
    content = json.dumps([request.method, request.path, request.data], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _replay(row: IdempotencyKey, request: Request) -> HttpResponse:
    if row.fingerprint != _fingerprint(request):
        message = "Came with another request before: use a new key for a new request."
        raise Refused({HEADER: message})
    answer = _response(row.body.encode(), row.status or 0, row.location)
    answer["Idempotency-Replayed"] = "true"
    return answer


def _answer(made: Made) -> HttpResponse:
    return _response(JSONRenderer().render(made.body), made.status, made.location)


def _response(content: bytes, status: int, location: str) -> HttpResponse:
    answer = HttpResponse(content, status=status, content_type="application/json")
    if location:
        answer["Location"] = location
    return answer
