"""The OpenAPI schema of the dispatch API."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiResponse

from dispatch.api.problems import CONTENT_TYPE
from dispatch.api.shapes import ProblemShape
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


def nothing_unknown(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Requests refuse unknown names, and the schema says so."""
    from dispatch.api.fields import Request

    for name, component in result["components"]["schemas"].items():
        if name in {cls.__name__ for cls in _all_below(Request)}:
            component["additionalProperties"] = False
    return result


def _all_below(cls: type) -> set[type]:
    below: set[type] = set(cls.__subclasses__())
    return below.union(*(_all_below(one) for one in below))


@cache
def document() -> bytes:
    """The whole schema as JSON, made once in a process."""
    generator = SchemaGenerator()
    return json.dumps(generator.get_schema(request=None, public=True)).encode()


def documented(good: Mapping[Any, Any], *bad: int) -> dict[Any, Any]:
    """The responses of an operation: the good ones, and problem documents for the others."""
    responses: dict[Any, Any] = dict(good)
    for status in (*bad, 401, 403, 503):
        answer = OpenApiResponse(ProblemShape, description=PROBLEMS[status])
        responses[(status, CONTENT_TYPE)] = answer
    return responses
