"""Every error below /api/v1/ as a problem document (RFC 9457).

`errors` is a list of {field, message}: what is wrong and what to do about it. A field within
another is written as in `paths.dockerfile` and `tasks[3].order_index`.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

CONTENT_TYPE = "application/problem+json"
MOST_ERRORS = 50
UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY
RETRY_AFTER_SECONDS = 2

logger = logging.getLogger(__name__)


class Refused(exceptions.APIException):
    """A value that is well formed and still cannot be taken: 422."""

    status_code = UNPROCESSABLE
    default_code = "refused"


class Conflict(exceptions.APIException):
    """It contradicts what is stored already: 409."""

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"


class NotFound(exceptions.NotFound):
    """Nothing there, or nothing that this client may see."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__({field: message})


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """Called by the framework for whatever a view raises."""
    set_rollback()
    if isinstance(error, Http404):
        error = NotFound("path", "Nothing is at this address: look it up in /api/v1/schema.")
    if isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, (SuspiciousOperation, UnreadablePostError)):
        error = exceptions.ParseError({"request": "Cannot be read: send it again, and smaller."})
    if isinstance(error, exceptions.APIException):
        return _expected(error, context)
    return _unexpected(error)


def problem(
    status: int, errors: Sequence[tuple[str, str]], headers: Mapping[str, str] | None = None
) -> Response:
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": "; ".join(f"{field}: {message}" for field, message in errors[:3]),
        "errors": [{"field": field, "message": message} for field, message in errors],
    }
    return Response(body, status=status, headers=headers, content_type=CONTENT_TYPE)


def _expected(error: exceptions.APIException, context: Mapping[str, Any]) -> Response:
    status = UNPROCESSABLE if isinstance(error, exceptions.ValidationError) else error.status_code
    found = _of_the_request(error, context) or list(_flat(error.detail))[:MOST_ERRORS]
    return problem(status, found, _headers(error))


def _of_the_request(
    error: exceptions.APIException, context: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """What the framework finds wrong with the request as such, with the remedy added."""
    request = context.get("request")
    if isinstance(error, exceptions.MethodNotAllowed):
        allowed = ", ".join(context["view"].allowed_methods) or "none"
        return [("method", f"{getattr(request, 'method', '')} is not possible; use {allowed}.")]
    if isinstance(error, exceptions.UnsupportedMediaType):
        return [("Content-Type", "Is not understood: send application/json.")]
    if isinstance(error, exceptions.NotAuthenticated):
        return [("Authorization", "Is missing: send `Bearer` and an API key.")]
    return []


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait))
    return headers


def _unexpected(error: Exception) -> Response:
    """A database that is away passes; anything else is a bug, told without its details."""
    if isinstance(error, (OperationalError, InterfaceError)):
        logger.warning("The database did not answer", exc_info=error)
        message = "The database did not answer: send the same request again in a moment."
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, [("database", message)], headers)
    logger.error("A request to the dispatch API failed", exc_info=error)
    message = "Something failed here, not in your request: it was logged."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, [("server", message)])


def _flat(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(detail, Mapping):
        for name, below in detail.items():
            yield from _flat(below, _join(path, name))
    elif isinstance(detail, (list, tuple)):
        for item in detail:
            yield from _flat(item, path)
    else:
        yield path, str(detail)


def _join(path: str, name: Any) -> str:
    if name == api_settings.NON_FIELD_ERRORS_KEY:
        return path or "body"
    if isinstance(name, int):
        return f"{path}[{name}]"
    name = name or '""'
    return f"{path}.{name}" if path else str(name)
