"""HTTP to the control plane: one call per connection, tried again until it is answered."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from .errors import GaveUp, Refused, Unreachable
from .stopping import Deadline

LONGEST_REPLY = 1024 * 1024
LONGEST_RETRY_AFTER_SECONDS = 60.0
TRY_AGAIN = (408, 429)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call. A Path as body is the file's content, read anew each time it is sent."""

    method: str
    path: str
    body: bytes | Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, kw_only=True)
class Wire:
    """`send` tries once, `deliver` until the deadline. Both return the body of a 2xx answer."""

    base_url: str
    headers: Mapping[str, str]
    deadline: Deadline
    timeout_seconds: float
    first_backoff_seconds: float
    longest_backoff_seconds: float

    def deliver(self, call: Call, read: Callable[[bytes], object] = bytes) -> bytes:
        """Raises Refused on a final answer, GaveUp when the deadline passed first. An answer for
        which `read` raises Unreachable is none."""
        for pause in self.pauses():
            try:
                answer = self.send(call)
                read(answer)
                return answer
            except Unreachable as trouble:
                print(f"{call}: {trouble}; trying again", file=sys.stderr, flush=True)
                if not self.deadline.sleep(max(pause, trouble.retry_after)):
                    raise GaveUp(f"{call}: {trouble}, and no time is left") from trouble
        raise AssertionError("pauses never end")

    def pauses(self) -> Iterator[float]:
        """Seconds between tries: doubling up to the longest, each shortened at random by up to
        half, so that many agents do not come back in the same moment."""
        pause = self.first_backoff_seconds
        while True:
            yield pause * random.uniform(0.5, 1.0)
            pause = min(pause * 2, self.longest_backoff_seconds)

    def send(self, call: Call) -> bytes:
        """Raises Unreachable or Refused."""
        try:
            status, retry_after, body = self._exchange(call)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        if 200 <= status < 300:
            return body
        if status >= 500 or status in TRY_AGAIN:
            raise Unreachable(f"answered {status}", retry_after=retry_after)
        raise Refused(status, str(call), body)

    def _exchange(self, call: Call) -> tuple[int, float, bytes]:
        parts = urlsplit(self.base_url)
        connect: Callable[..., http.client.HTTPConnection] = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        timeout = min(self.timeout_seconds, max(1.0, self.deadline.remaining()))
        connection = connect(parts.hostname, parts.port, timeout=timeout)
        with contextlib.closing(connection), _body(call.body) as (body, length):
            headers = {**self.headers, "Connection": "close", **call.headers, **length}
            connection.connect()
            # A server may refuse a large body before it has read it: its answer counts.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(call.method, parts.path + call.path, body, headers)
            reply = connection.getresponse()
            text = reply.read(LONGEST_REPLY)
            # Half a token is none.
            if reply.status < 300 and reply.length:
                raise http.client.IncompleteRead(text, reply.length)
            return reply.status, _retry_after(reply), text


@contextlib.contextmanager
def _body(body: bytes | Path | None) -> Iterator[tuple[bytes | IO[bytes] | None, dict[str, str]]]:
    """The body as http.client sends it, and the header that a file needs not to be chunked."""
    if not isinstance(body, Path):
        yield body, {}
        return
    with body.open("rb") as file:
        yield file, {"Content-Length": str(os.fstat(file.fileno()).st_size)}


def _retry_after(reply: http.client.HTTPResponse) -> float:
    text = reply.headers.get("Retry-After", "")
    return min(float(text), LONGEST_RETRY_AFTER_SECONDS) if text.isdigit() else 0.0
