"""Bodies in, objects out."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from ..errors import ApiError, bad_request, unsupported_media_type
from ..resources import Resource
from ..schema import WrongType, decode
from ..store import Object, Version
from ..wire import Request

JSON = "application/json"
_YAML = ("application/yaml", "text/yaml", "application/x-yaml")
_ACCEPTED = (JSON, "application/yaml", "application/vnd.kubernetes.protobuf", "application/cbor")
_DIRECTIVES = ("", "Ignore", "Warn", "Strict")


@dataclass(frozen=True, kw_only=True)
class Decoded:
    obj: Object
    warnings: tuple[str, ...] = ()


class _Duplicates:
    """Collects keys that come twice in one object of a JSON text."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            keys = [key for key, _ in pairs]
            self.found += [f'duplicate field "{key}"' for key in made if keys.count(key) > 1]
        return made


def read_object(request: Request, resource: Resource) -> Decoded:
    """The object in a body. Raises 400 or 415."""
    raw, complaints = _parse(request)
    return checked(raw, resource, request, complaints)


def checked(
    raw: Any, resource: Resource, request: Request, complaints: Iterable[str] = ()
) -> Decoded:
    """A JSON value as an object of a resource, by the fieldValidation that was asked for."""
    directive = request.query.get("fieldValidation", "")
    if directive not in _DIRECTIVES:
        raise _unsupported_directive(directive)
    if not isinstance(raw, dict):
        raise bad_request(f"cannot decode {type(raw).__name__} into a {resource.kind}")
    _check_kind(raw, resource)
    where = (
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    )
    try:
        decoded = decode(resource.schema, raw)
    except WrongType as error:
        raise bad_request(f"{where}: {error}") from None
    problems = [*complaints, *decoded.unknown]
    if problems and directive == "Strict":
        raise bad_request(f"{where}: strict decoding error: {', '.join(problems)}")
    decoded.value.pop("kind", None)
    decoded.value.pop("apiVersion", None)
    warnings = () if directive == "Ignore" else tuple(problems)
    return Decoded(obj=decoded.value, warnings=warnings)


def read_json(request: Request) -> Any:
    """The JSON value of a body, an empty one as {}. Raises 400."""
    if not request.body.strip():
        return {}
    return _parse(request)[0]


def _parse(request: Request) -> tuple[Any, list[str]]:
    kind = request.content_type.partition(";")[0].strip().lower()
    duplicates = _Duplicates()
    try:
        if kind in _YAML:
            return yaml.safe_load(request.body), []
        if kind in ("", JSON, "*/*"):
            value = json.loads(request.body, object_pairs_hook=duplicates.pairs)
            return value, duplicates.found
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from None
    raise unsupported_media_type(_ACCEPTED)


def _check_kind(raw: Object, resource: Resource) -> None:
    version, kind = raw.get("apiVersion"), raw.get("kind")
    if version and version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version"
            f" ({resource.api_version})"
        )
    if kind and kind != resource.kind:
        group = resource.group and f"{resource.group}/"
        raise bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}:'
            f" converting ({group}{resource.version}.{kind}) to ({resource.group}.{resource.kind}):"
            " unknown conversion"
        )


def _unsupported_directive(text: str) -> ApiError:
    return ApiError(
        422,
        "Invalid",
        f'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "{text}":'
        ' supported values: "Ignore", "Strict", "Warn"',
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
        message = f"only the following media types are accepted: {', '.join(_ACCEPTED[:3])}"
        raise ApiError(406, "NotAcceptable", message)


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
