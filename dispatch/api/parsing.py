"""Reading JSON strictly: what two readers could understand differently is refused."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_BODY_BYTES = 8_000_000
MAX_DEPTH = 10
ESCAPED_TROUBLE = re.compile(r"\\u(0000|d[89a-f])", re.IGNORECASE)


class TooLarge(APIException):
    status_code = 413
    default_code = "too_large"
    default_detail = {
        "body": f"Is larger than {MAX_BODY_BYTES} bytes: send fewer Tasks, or shorter texts."
    }


class StrictJSONParser(BaseParser):
    """One JSON object in UTF-8: no name twice, no NaN or Infinity, no NUL characters, no lone
    surrogates, nested at most MAX_DEPTH deep."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return read_object(_read(stream, parser_context or {}))


def read_object(raw: bytes) -> dict[str, Any]:
    """Raises ParseError naming what is wrong, and where."""
    try:
        text = raw.decode()
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise _refusal(f"Is not UTF-8 (byte {error.start}): send JSON in UTF-8.") from None
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _refusal(f"Is no JSON: {error.msg} at {where}. Send one JSON object.") from None
    except ValueError as error:
        raise _refusal(f"Is no JSON that can be read: {error}.") from None
    if not isinstance(found, dict):
        raise _refusal("Is no JSON object: send one, in curly brackets.")
    _check(found, look_at_text=ESCAPED_TROUBLE.search(text) is not None)
    return found


def _read(stream: IO[bytes], context: Mapping[str, Any]) -> bytes:
    request = context["request"]
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
        raise TooLarge
    return stream.read(MAX_BODY_BYTES)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
    raise ParseError({twice: "Is given more than once: keep one of them."})


def _no_constant(name: str) -> None:
    raise ParseError({"body": f"Holds {name}, which is no JSON: send a number or null."})


def _refusal(message: str) -> ParseError:
    return ParseError({"body": message})


def _too_deep() -> ParseError:
    return _refusal(f"Is nested too deeply: {MAX_DEPTH} levels are allowed.")


def _check(found: Any, *, look_at_text: bool) -> None:
    for path, depth, value in _walk(found, "", 1):
        if depth > MAX_DEPTH:
            raise _too_deep()
        if look_at_text and isinstance(value, str):
            _check_text(path, value)


def _check_text(path: str, text: str) -> None:
    if "\0" in text:
        raise ParseError({path: "Holds a NUL character: remove it."})
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ParseError({path: "Holds half a surrogate pair: send whole characters."})


def _walk(value: Any, path: str, depth: int) -> Iterator[tuple[str, int, Any]]:
    """Every value and every name below, each with where it is; names count as text."""
    yield path or "body", depth, value
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name, item in value.items():
            below = f"{path}.{name}" if path else name
            yield "body", depth, name
            yield from _walk(item, below, depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]", depth + 1)
