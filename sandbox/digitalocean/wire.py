"""A request and an answer, free of any socket."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ApiError, unprocessable
from .faults import Strike


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    base_url: str
    token: str | None = None
    lies: tuple[Strike, ...] = ()

    def json_value(self) -> Any:
        """Raises 400 for a body that is no JSON."""
        try:
            return json.loads(self.body or b"{}")
        except (ValueError, RecursionError):
            raise ApiError(400) from None

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises 400 for anything else."""
        content = self.json_value()
        if not isinstance(content, dict):
            raise ApiError(400)
        return content

    def lie(self, kind: str) -> Strike | None:
        """What makes this list lie in this way, if anything does."""
        return next((lie for lie in self.lies if lie.kind == kind), None)

    @property
    def target(self) -> str:
        """Path and query, as fault rules match them."""
        query = "&".join(f"{key}={value}" for key, value in self.query.items())
        return f"{self.path}?{query}" if query else self.path

    def number(self, name: str, default: int) -> int:
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit()) or not 1 <= int(text) < 2**31:
            raise unprocessable(f'"{text}" is no valid value of {name}: needs a positive integer')
        return int(text)


@dataclass(frozen=True, kw_only=True)
class Response:
    """`body` is sent as JSON, a string as plain text, None as nothing."""

    status: int = 200
    body: Mapping[str, Any] | list[Any] | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[..., Response]

NO_CONTENT = Response(status=204)
