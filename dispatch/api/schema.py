"""The OpenAPI schema of the dispatch API."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiResponse

from dispatch.api.answers import ProblemAnswer
from dispatch.api.problems import CONTENT_TYPE
from dispatch.models.client import SCOPES

PROBLEMS = {
    400: "The request cannot be read.",
    401: "No usable API key.",
    403: "The API key lacks the scope.",
    404: "Nothing there, or nothing that this client may see.",
    409: "It contradicts what is stored.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "A value cannot be taken.",
    503: "The database is away: try again.",
}
Endpoint = tuple[str, str, str, Any]


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "dispatch.api.auth.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        scopes = ", ".join(SCOPES)
        description = f"`manage.py create-api-key` issues keys. Scopes: {scopes}."
        return {"type": "http", "scheme": "bearer", "description": description}


def only_the_dispatch_api(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Leaves out what agents and the console use."""
    return [one for one in endpoints if _module(one[3]).startswith("dispatch.api.")]


def _module(callback: Any) -> str:
    return str(getattr(callback, "cls", callback).__module__)


def documented(good: Mapping[int, Any], *bad: int) -> dict[Any, Any]:
    """The responses of an operation: the good ones, and problem documents for the others."""
    responses: dict[Any, Any] = dict(good)
    for status in (*bad, 401, 403, 503):
        answer = OpenApiResponse(ProblemAnswer, description=PROBLEMS[status])
        responses[(status, CONTENT_TYPE)] = answer
    return responses
