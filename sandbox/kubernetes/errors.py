"""The errors of the API: Status objects with the reasons and in the words of the real one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .resources import Resource


class ApiError(Exception):
    """An answer other than 2xx."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.reason = reason
        self.message = message
        self.details = None if details is None else dict(details)
        self.headers = dict(headers or {})
        super().__init__(f"{code} {reason}: {message}")

    @property
    def status(self) -> dict[str, Any]:
        """The Status object, as it is sent."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return {**body, "code": self.code}


class Disconnect(Exception):
    """The connection ends without an answer: reset at once, or closed after `seconds`."""

    def __init__(self, *, seconds: float = 0.0, reset: bool = False) -> None:
        self.seconds = seconds
        self.reset = reset
        super().__init__("disconnect")


def _details(resource: Resource, name: str, **more: Any) -> dict[str, Any]:
    named = {"name": name} if name else {}
    group = {"group": resource.group} if resource.group else {}
    return {**named, **group, "kind": resource.plural, **more}


def not_found(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_details(resource, name))


def no_such_path() -> ApiError:
    message = "the server could not find the requested resource"
    return ApiError(404, "NotFound", message, details={})


class PageNotFound(ApiError):
    """A path that no handler is registered for; the answer is plain text."""

    def __init__(self) -> None:
        super().__init__(404, "NotFound", "404 page not found")


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(resource, name))


def modified(resource: Resource, name: str) -> ApiError:
    why = "the object has been modified; please apply your changes to the latest version"
    return conflict(resource, name, f"{why} and try again")


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(
    resource: Resource, name: str, why: str, causes: Sequence[Mapping[str, str]] = ()
) -> ApiError:
    what = f'{resource.qualified} "{name}"' if name else resource.qualified
    more = {"causes": list(causes)} if causes else {}
    details = _details(resource, name, **more)
    return ApiError(403, "Forbidden", f"{what} is forbidden: {why}", details=details)


def method_not_allowed() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={})


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def too_old(version: int, floor: int) -> ApiError:
    return expired(f"too old resource version: {version} ({floor})")


def unsupported_media_type(accepted: Iterable[str]) -> ApiError:
    known = ", ".join(accepted)
    message = (
        f"the body of the request was in an unknown format - accepted media types include: {known}"
    )
    return ApiError(415, "UnsupportedMediaType", message)


def too_many_requests(seconds: int) -> ApiError:
    message = "Too many requests, please try again later."
    details = {"retryAfterSeconds": seconds}
    return ApiError(
        429, "TooManyRequests", message, details=details, headers={"Retry-After": str(seconds)}
    )


def internal(message: str) -> ApiError:
    details = {"causes": [{"message": message}]}
    text = f"Internal error occurred: {message}"
    return ApiError(500, "InternalError", text, details=details)


_TITLES = {
    "FieldValueNotFound": "Not found",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "FieldValueTypeInvalid": "Invalid value",
}
_WITHOUT_VALUE = ("FieldValueRequired", "FieldValueForbidden", "FieldValueTooLong")


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """What is wrong with one field; `reason` is a key of the titles above."""

    field: str
    reason: str
    value: Any = None
    detail: str = ""

    @property
    def body(self) -> str:
        text = _TITLES[self.reason]
        if self.reason not in _WITHOUT_VALUE:
            text = f"{text}: {_shown(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def cause(self) -> dict[str, str]:
        return {"reason": self.reason, "message": self.body, "field": self.field}


def _shown(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(field=field, reason="FieldValueRequired", detail=detail)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(field=field, reason="FieldValueInvalid", value=value, detail=detail)


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError(field=field, reason="FieldValueDuplicate", value=value)


def field_not_found(field: str, value: Any) -> FieldError:
    return FieldError(field=field, reason="FieldValueNotFound", value=value)


def field_forbidden(field: str, detail: str) -> FieldError:
    return FieldError(field=field, reason="FieldValueForbidden", detail=detail)


def too_long(field: str, detail: str) -> FieldError:
    return FieldError(field=field, reason="FieldValueTooLong", detail=detail)


def unsupported(field: str, value: Any, known: Iterable[str]) -> FieldError:
    detail = "supported values: " + ", ".join(f'"{item}"' for item in known)
    return FieldError(field=field, reason="FieldValueNotSupported", value=value, detail=detail)


def bad_option(options: str, error: FieldError) -> ApiError:
    """422 for a query parameter; `options` is the kind of options that it belongs to."""
    details = {"group": "meta.k8s.io", "kind": options, "causes": [error.cause]}
    message = f'{options}.meta.k8s.io "" is invalid: {error.field}: {error.body}'
    return ApiError(422, "Invalid", message, details=details)


def unprocessable(resource: Resource, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422 for an object with invalid fields. The same complaint is made once."""
    lines = list(dict.fromkeys(f"{error.field}: {error.body}" for error in errors))
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    causes = [error.cause for error in errors]
    details = _details(resource, name, causes=causes) | {"kind": resource.kind}
    message = f'{resource.qualified_kind} "{name}" is invalid: {text}'
    return ApiError(422, "Invalid", message, details=details)
