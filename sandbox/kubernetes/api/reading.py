"""get and list."""

import base64
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from ..cluster import Cluster
from ..errors import (
    ApiError,
    bad_option,
    bad_request,
    expired,
    field_forbidden,
    not_found,
    unsupported,
)
from ..resources import Resource
from ..selectors import field_test, label_test
from ..store import Version
from ..wire import Request, Response
from .codec import list_of, with_kind
from .routing import Target

Test = Callable[[Version], bool]

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start"
    " a new list without the continue parameter."
)


def get(cluster: Cluster, request: Request, target: Target) -> Response:
    check_version(cluster, request)
    version = find(cluster, target)
    return Response(body=with_kind(target.resource, version))


def find(cluster: Cluster, target: Target) -> Version:
    """Raises 404."""
    version = cluster.store.get(target.resource.plural, target.namespace, target.name)
    if version is None:
        raise not_found(target.resource, target.name)
    return version


def list_objects(cluster: Cluster, request: Request, target: Target) -> Response:
    resource, limit = target.resource, request.number("limit") or 0
    rv, after = _position(cluster, request)
    versions = _snapshot(cluster, request, target, rv)
    if omit := request.lie("omit"):
        versions = _omit(versions, omit.rule)
    if test := selection(request, resource):
        versions = [version for version in versions if test(version)]
    if after:
        versions = [version for version in versions if version.key > after]
    shown = versions[:limit] if limit else versions
    left = len(versions) - len(shown)
    more: dict[str, Any] = {}
    if left:
        more["continue"] = _token(rv, shown[-1])
        if not request.query.get("labelSelector") and not request.query.get("fieldSelector"):
            more["remainingItemCount"] = left
    return Response(body=list_of(resource, shown, rv, more=more))


def selection(request: Request, resource: Resource) -> Test | None:
    """What the selectors of a query ask for; None for everything."""
    labels = label_test(request.query.get("labelSelector", ""))
    fields = field_test(resource, request.query.get("fieldSelector", ""))
    if labels is None and fields is None:
        return None

    def test(version: Version) -> bool:
        if labels is not None and not labels(version.meta.get("labels") or {}):
            return False
        return fields is None or fields(version.obj)

    return test


def _position(cluster: Cluster, request: Request) -> tuple[int, tuple[str, str] | None]:
    """The version a list is to show, and after which object it is to begin."""
    if token := request.query.get("continue"):
        rv, after = _read_token(token)
        if rv < cluster.store.floor:
            raise expired(_TOO_OLD)
        return rv, after
    if stale := request.lie("stale"):
        return cluster.store.revision_at(cluster.now() - stale.seconds), None
    rv = check_version(cluster, request)
    match = request.query.get("resourceVersionMatch", "")
    if match:
        _check_match(match, request.query.get("resourceVersion", ""))
    if match == "Exact" or (rv and request.number("limit") and not match):
        if rv < cluster.store.floor:
            raise expired("The resourceVersion for the provided list is too old.")
        return rv, None
    return cluster.store.revision, None


def _check_match(match: str, version: str) -> None:
    """Raises 422 for a resourceVersionMatch that makes no sense."""
    field = "resourceVersionMatch"
    if not version:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise bad_option("ListOptions", field_forbidden(field, why))
    if match not in ("Exact", "NotOlderThan"):
        error = unsupported(field, match, ("Exact", "NotOlderThan", ""))
        raise bad_option("ListOptions", error)
    if match == "Exact" and version == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        raise bad_option("ListOptions", field_forbidden(field, why))


def check_version(cluster: Cluster, request: Request) -> int:
    """The resourceVersion of a query, 0 for none. Raises 400, or 504 for one from the future."""
    text = request.query.get("resourceVersion", "")
    if not text:
        return 0
    if not text.isdecimal():
        message = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        what = f'resourceVersion: Invalid value: "{text}": {message}'
        raise bad_request(f"invalid resource version: {what}")
    wanted = int(text)
    if wanted > cluster.store.revision:
        raise _too_large(wanted, cluster.store.revision)
    return wanted


def _too_large(wanted: int, current: int) -> ApiError:
    message = f"Too large resource version: {wanted}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details = {"causes": [cause], "retryAfterSeconds": 1}
    headers = {"Retry-After": "1"}
    return ApiError(504, "Timeout", f"Timeout: {message}", details=details, headers=headers)


def _snapshot(cluster: Cluster, request: Request, target: Target, rv: int) -> list[Version]:
    plural, namespace = target.resource.plural, target.namespace
    if rv >= cluster.store.revision:
        return cluster.store.versions(plural, namespace)
    objects = cluster.store.at(plural, rv)
    return [objects[key] for key in sorted(objects) if not namespace or key[0] == namespace]


def _omit(versions: Sequence[Version], rule: Any) -> list[Version]:
    """Leave out the named objects, or so many by chance."""
    if rule.name:
        return [version for version in versions if not rule.names(version.name)]
    draw = random.Random(f"{rule.seed}:{len(versions)}")
    left_out = draw.sample(list(versions), min(rule.objects, len(versions)))
    return [version for version in versions if version not in left_out]


def _token(rv: int, last: Version) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": rv, "start": list(last.key)})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        raw = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = raw["start"]
        return int(raw["rv"]), (str(namespace), str(name))
    except (ValueError, KeyError, TypeError):
        why = "continue key is not valid: illegal base64 data"
        raise bad_request(f"invalid continue token: {why}") from None
