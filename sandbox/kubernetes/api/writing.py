"""create, update and patch."""

import json
from typing import Any

from ..cluster import Cluster
from ..errors import ApiError, bad_request
from ..objects import create, update
from ..objects.strategies import strategy_of
from ..store import Object, Version
from ..wire import Request, Response
from . import patching
from .codec import checked, read_object, with_kind
from .reading import find
from .routing import Target, check_dry_run


def create_object(cluster: Cluster, request: Request, target: Target) -> Response:
    dry_run, resource = check_dry_run(request), target.resource
    decoded = read_object(request, resource)
    made = create(cluster, resource, target.namespace, decoded.obj, dry_run=dry_run)
    return Response(
        code=201,
        body=with_kind(resource, made.version),
        warnings=decoded.warnings + made.warnings,
    )


def replace_object(cluster: Cluster, request: Request, target: Target) -> Response:
    dry_run, resource = check_dry_run(request), target.resource
    decoded = read_object(request, resource)
    obj, place = decoded.obj, (target.namespace, target.name)
    missing = cluster.store.get(resource.plural, *place) is None
    if missing and strategy_of(resource).create_on_update:
        obj.setdefault("metadata", {}).setdefault("name", target.name)
        obj["metadata"].pop("resourceVersion", None)
        made = create(cluster, resource, target.namespace, obj, dry_run=dry_run)
        body = with_kind(resource, made.version)
        return Response(code=201, body=body, warnings=decoded.warnings)
    version = update(cluster, resource, *place, obj, status=target.sub == "status", dry_run=dry_run)
    return Response(body=with_kind(resource, version), warnings=decoded.warnings)


def patch_object(cluster: Cluster, request: Request, target: Target) -> Response:
    dry_run, resource = check_dry_run(request), target.resource
    kind = request.content_type.partition(";")[0].strip().lower()
    if kind not in patching.KINDS or kind == "application/apply-patch+yaml":
        message = "415: Unsupported Media Type"
        raise ApiError(415, "UnsupportedMediaType", message, details={})
    patch = _read_patch(request)
    old = find(cluster, target)
    whole = {"apiVersion": resource.api_version, "kind": resource.kind, **old.copy()}
    decoded = checked(patching.apply(kind, whole, patch), resource, request, patch=patch)
    _keep_version(decoded.obj, old, patch)
    version = update(
        cluster,
        resource,
        target.namespace,
        target.name,
        decoded.obj,
        status=target.sub == "status",
        dry_run=dry_run,
        patch=True,
    )
    return Response(body=with_kind(resource, version), warnings=decoded.warnings)


def _read_patch(request: Request) -> Any:
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"error decoding patch: {error}") from None


def _keep_version(obj: Object, old: Version, patch: Any) -> None:
    """A patch that names no version is of whatever is stored."""
    meta = obj.get("metadata")
    if not isinstance(meta, dict):
        raise ApiError(422, "Invalid", "metadata must not be removed")
    named = isinstance(patch, dict) and (patch.get("metadata") or {}).get("resourceVersion")
    if not named and not isinstance(patch, list):
        meta["resourceVersion"] = old.meta["resourceVersion"]
