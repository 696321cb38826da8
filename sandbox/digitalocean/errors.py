"""The errors of the API: a status and {id, message}, in DigitalOcean's words where known."""

from collections.abc import Mapping

_IDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    411: "length_required",
    413: "payload_too_large",
    422: "unprocessable_entity",
    429: "too_many_requests",
    500: "server_error",
    502: "bad_gateway",
    503: "service_unavailable",
    504: "gateway_timeout",
}

_MESSAGES = {
    400: "error parsing request body",
    401: "Unable to authenticate you.",
    403: "You do not have permission to perform this action.",
    404: "The resource you were accessing could not be found.",
    405: "The method is not allowed for this resource.",
    422: "request payload validation failed",
    429: "API rate limit exceeded.",
    500: "Unexpected server-side error",
    503: "The service is temporarily unavailable.",
}


class ApiError(Exception):
    """An answer other than 2xx."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        html: bool = False,
    ) -> None:
        self.status = status
        self.id = _IDS.get(status, "server_error" if status >= 500 else "error")
        self.message = message or _MESSAGES.get(status, self.id.replace("_", " "))
        self.headers = dict(headers or {})
        self.html = html
        super().__init__(f"{status} {self.message}")


class Disconnect(Exception):
    """The connection ends without an answer: reset at once, or closed after `seconds`."""

    def __init__(self, *, seconds: float = 0.0, reset: bool = False) -> None:
        self.seconds = seconds
        self.reset = reset
        super().__init__("disconnect")


def not_found() -> ApiError:
    return ApiError(404)


def unprocessable(message: str) -> ApiError:
    return ApiError(422, message)


def invalid(field: str, rule: str) -> ApiError:
    """422 for a field of the wrong form, naming the field and what it must be."""
    return ApiError(422, f'request payload validation failed: field "{field}" {rule}')
