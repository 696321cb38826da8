"""A request and an answer, free of any socket."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import bad_request


@dataclass(frozen=True, kw_only=True)
class Request:
    """`client` is its User-Agent, `user` whose token it came with. `lies` are the faults that bend
    its answer."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes = b""
    content_type: str = ""
    accept: str = ""
    token: str | None = None
    client: str = ""
    user: str = ""
    lies: tuple[Any, ...] = ()

    def flag(self, name: str) -> bool:
        """Absent is false, and so are "false" and "0"; all else is true, as the API has it."""
        return self.query.get(name, "false").lower() not in ("false", "0")

    def number(self, name: str) -> int | None:
        """Raises 400 for anything but a number. None where it is absent or empty."""
        text = self.query.get(name, "")
        if not text:
            return None
        if not text.lstrip("-").isdecimal():
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        return int(text)

    def lie(self, kind: str) -> Any:
        """The fault of this kind that strikes this call, if any does."""
        return next((lie for lie in self.lies if lie.kind == kind), None)

    @property
    def target(self) -> str:
        """Path and query, as fault rules match them."""
        query = "&".join(f"{key}={value}" for key, value in self.query.items())
        return f"{self.path}?{query}" if query else self.path


@dataclass(frozen=True, kw_only=True)
class Response:
    """`body` is sent as JSON: an object, or bytes that are JSON already. A string is plain text."""

    code: int = 200
    body: Mapping[str, Any] | bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stream:
    """An answer that goes on: each chunk is sent as it comes."""

    chunks: AsyncIterator[bytes]
    content_type: str = "application/json"
    warnings: tuple[str, ...] = ()
