"""Idempotency-Key: the answer is stored in the transaction of the work itself.

A concurrent duplicate waits for the first one at the insert of its row (on SQLite: at the start
of its transaction), is then refused by the unique key, and gets the stored answer. Errors are
not stored.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpResponse
from rest_framework.exceptions import ParseError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from dispatch.api.auth import client_of
from dispatch.api.problems import Refused
from dispatch.models import ApiClient, IdempotencyKey

HEADER = "Idempotency-Key"
VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}\Z")


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a request brought about: the answer's body, and where it can be read again."""

    body: dict[str, Any]
    location: str = ""
    status: int = 201

    def answer(self) -> HttpResponse:
        return _response(JSONRenderer().render(self.body), self.status, self.location)


@dataclass(frozen=True, kw_only=True)
class Key:
    """The key that a request came with. `fingerprint` tells whether it is the same request."""

    client: ApiClient
    text: str
    fingerprint: str

    def row(self, made: Made, answer: HttpResponse) -> IdempotencyKey:
        """The row that keeps an answer, to be stored along with the work."""
        return IdempotencyKey(
            client=self.client,
            key=self.text,
            fingerprint=self.fingerprint,
            status=made.status,
            location=made.location,
            body=answer.content.decode(),
        )

    def replay(self) -> HttpResponse | None:
        """The answer that is stored for it, if any. Raises Refused for another request."""
        row = IdempotencyKey.objects.filter(client=self.client, key=self.text).first()
        if row is None:
            return None
        if row.fingerprint != self.fingerprint:
            message = "Came with another request before: use a new key for a new request."
            raise Refused({HEADER: message})
        answer = _response(row.body.encode(), row.status or 0, row.location)
        answer["Idempotency-Replayed"] = "true"
        return answer


def key_of(request: Request) -> Key | None:
    text: str | None = request.headers.get(HEADER)
    if text is None:
        return None
    if not VISIBLE_ASCII.match(text):
        raise ParseError({HEADER: "Is no key: use 1 to 255 visible ASCII characters."})
    content = json.dumps([request.method, request.path, request.data], sort_keys=True)
    fingerprint = hashlib.sha256(content.encode()).hexdigest()
    return Key(client=client_of(request), text=text, fingerprint=fingerprint)


def once(request: Request, work: Callable[[], Made]) -> HttpResponse:
    """Do the work in a transaction; or give the answer that the same key got before, and then
    leave nothing of this work behind."""
    key = key_of(request)
    try:
        with transaction.atomic():
            made = work()
            answer = made.answer()
            if key:
                key.row(made, answer).save(force_insert=True)
            return answer
    except IntegrityError:
        replay = key and key.replay()
        if not replay:
            raise
        return replay


def _response(content: bytes, status: int, location: str) -> HttpResponse:
    answer = HttpResponse(content, status=status, content_type="application/json")
    if location:
        answer["Location"] = location
    return answer
