"""Bodies in, objects out."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from ..errors import (
    ApiError,
    bad_option,
    bad_request,
    invalid,
    unsupported,
    unsupported_media_type,
)
from ..resources import BY_KIND, Resource
from ..schema import WrongType, decode, with_duplicates
from ..store import Object, Version
from ..wire import Request
from .routing import options_of

JSON = "application/json"
_YAML = ("application/yaml", "text/yaml", "application/x-yaml")
_ACCEPTED = (JSON, "application/yaml", "application/vnd.kubernetes.protobuf")
_DIRECTIVES = ("", "Ignore", "Strict", "Warn")


@dataclass(frozen=True, kw_only=True)
class Decoded:
    obj: Object
    warnings: tuple[str, ...] = ()


def read_object(request: Request, resource: Resource) -> Decoded:
    """The object in a body. Raises 400 or 415."""
    return checked(_parse(request, resource.kind), resource, request)


def checked(raw: Any, resource: Resource, request: Request, *, patch: Any = None) -> Decoded:
    """A JSON value as an object of a resource, by the fieldValidation that was asked for."""
    directive = request.query.get("fieldValidation", "")
    if directive not in _DIRECTIVES:
        error = unsupported("fieldValidation", directive, _DIRECTIVES)
        raise bad_option(options_of(request), error)
    if not isinstance(raw, dict):
        raise _unrecognized(resource.kind, "it is no JSON object", str(raw).encode())
    _check_kind(raw, resource)
    where = (
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    )
    try:
        decoded = decode(resource.schema, raw)
    except WrongType as error:
        raise bad_request(f"{where}: {error}") from None
    problems = decoded.unknown
    if problems and directive == "Strict" and patch is not None:
        raise _bad_patch(patch, problems)
    if problems and directive == "Strict":
        raise bad_request(f"{where}: strict decoding error: {', '.join(problems)}")
    decoded.value.pop("kind", None)
    decoded.value.pop("apiVersion", None)
    warnings = () if directive == "Ignore" else tuple(problems)
    return Decoded(obj=decoded.value, warnings=warnings)


def _bad_patch(patch: Any, problems: list[str]) -> ApiError:
    text = json.dumps(patch, separators=(",", ":"))
    error = invalid("patch", text, f"strict decoding error: {', '.join(problems)}")
    message = f' "" is invalid: patch: {error.body}'
    return ApiError(422, "Invalid", message, details={"causes": [error.cause]})


def read_json(request: Request) -> Any:
    """The JSON value of a body, an empty one as {}. Raises 400."""
    if not request.body.strip():
        return {}
    return _parse(request, "DeleteOptions")


def _parse(request: Request, wanted: str) -> Any:
    kind = request.content_type.partition(";")[0].strip().lower()
    try:
        if kind in _YAML:
            return yaml.safe_load(request.body)
        if kind in ("", JSON, "*/*"):
            return json.loads(request.body, object_pairs_hook=with_duplicates)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise _unrecognized(wanted, f"json parse error: {error}", request.body) from None
    raise unsupported_media_type(_ACCEPTED)


def _unrecognized(wanted: str, why: str, body: bytes) -> ApiError:
    shown = body[:100].decode(errors="replace") or "<empty>"
    what = f"the object provided is unrecognized (must be of type {wanted})"
    return bad_request(f"{what}: couldn't get version/kind; {why} ({shown})")


def _check_kind(raw: Object, resource: Resource) -> None:
    """Raises 400 for an object of another kind than the one that is asked for."""
    api_version = raw.get("apiVersion") or resource.api_version
    kind = raw.get("kind") or resource.kind
    if (api_version, kind) == (resource.api_version, resource.kind):
        return
    version = str(api_version).rpartition("/")[2]
    known = (api_version, kind) in BY_KIND
    why = f'no kind "{kind}" is registered for version "{api_version}"'
    if known:
        wanted = f"{resource.group or 'core'}.{resource.kind}"
        why = f"converting ({version}.{kind}) to ({wanted}): unknown conversion"
    raise bad_request(
        f'{kind} in version "{version}" cannot be handled as a {resource.kind}: {why}'
    )


def check_accept(request: Request) -> None:
    """Raises 406 for a client that takes no JSON."""
    accept = request.accept.lower()
    plain = [part.split(";") for part in accept.split(",") if part.strip()]
    for kind, *parameters in plain:
        bent = any(item.strip().startswith("as=") for item in parameters)
        if kind.strip() in (JSON, "*/*", "application/*") and not bent:
            return
    if plain:
        message = f"406: Not Acceptable\n\nAvailable representations: {JSON}"
        raise ApiError(406, "NotAcceptable", message, details={})


def with_kind(resource: Resource, version: Version) -> bytes:
    """An object as it is sent by itself."""
    head = f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",'
    return head.encode() + version.body[1:]


def list_of(
    resource: Resource,
    versions: Iterable[Version],
    revision: int,
    *,
    more: Object | None = None,
) -> bytes:
    """`more` are further fields of the list's metadata."""
    meta = json.dumps({"resourceVersion": str(revision), **(more or {})})
    head = f'{{"kind":"{resource.kind}List","apiVersion":"{resource.api_version}","metadata":{meta}'
    items = b",".join(version.body for version in versions)
    return head.encode() + b',"items":[' + items + b"]}"
