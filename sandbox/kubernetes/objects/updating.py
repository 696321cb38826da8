"""Replacing an object, or its status alone."""

from ..cluster import Cluster
from ..errors import (
    ApiError,
    FieldError,
    bad_request,
    conflict,
    invalid,
    modified,
    not_found,
    unprocessable,
)
from ..resources import Resource
from ..rules.meta import validate_meta, validate_meta_update
from ..store import Object, Version
from .strategies import strategy_of
from .strategy import Strategy

# Only the server changes these.
_KEPT = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)


def update(
    cluster: Cluster,
    resource: Resource,
    namespace: str,
    name: str,
    obj: Object,
    *,
    status: bool = False,
    dry_run: bool = False,
    patch: bool = False,
) -> Version:
    """Put `obj`, which may be changed, in the place of what is stored. Raises ApiError."""
    old = cluster.store.get(resource.plural, namespace, name)
    if old is None:
        raise not_found(resource, name)
    strategy = strategy_of(resource)
    _check_identity(resource, namespace, name, obj)
    if not patch:
        _check_uid(resource, obj, old)
    _check_version(resource, strategy, obj, old)
    _carry_over(obj, old)
    strategy.default(obj)
    if status:
        _keep_all_but_status(obj, old)
        strategy.prepare_status(obj, old.obj)
    else:
        _keep_status(resource, obj, old)
        strategy.prepare_update(obj, old.obj)
        _count_generation(strategy, obj, old)
    _validate(resource, strategy, obj, old, status=status)
    if dry_run:
        return Version.unstored(resource.plural, obj)
    return store_update(cluster, resource, obj, old)


def store_update(cluster: Cluster, resource: Resource, obj: Object, old: Version) -> Version:
    """Write it unless nothing changed; forget it when this took its last finalizer."""
    obj["metadata"]["resourceVersion"] = old.meta["resourceVersion"]
    if obj == old.obj:
        return old
    meta = obj["metadata"]
    done = not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds")
    terminating = resource.plural == "namespaces" and obj.get("spec", {}).get("finalizers")
    if meta.get("deletionTimestamp") and done and not terminating:
        return cluster.store.remove(resource.plural, obj)
    return cluster.store.write(resource.plural, obj)


def _check_identity(resource: Resource, namespace: str, name: str, obj: Object) -> None:
    meta = obj.setdefault("metadata", {})
    if meta.setdefault("name", name) != name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )
    if resource.namespaced and meta.setdefault("namespace", namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _check_uid(resource: Resource, obj: Object, old: Version) -> None:
    uid = obj["metadata"].get("uid")
    if uid and uid != old.uid:
        what = f"UID in precondition: {uid}, UID in object meta: {old.uid}"
        raise conflict(resource, old.name, f"Precondition failed: {what}")


def _check_version(resource: Resource, strategy: Strategy, obj: Object, old: Version) -> None:
    name, wanted = old.name, obj["metadata"].get("resourceVersion", "")
    if not wanted and not strategy.unconditional_update:
        error = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise _without_version(resource, name, error)
    if wanted and wanted != old.meta["resourceVersion"]:
        raise modified(resource, name)


def _without_version(resource: Resource, name: str, error: FieldError) -> ApiError:
    """It names the resource where all others name the kind, as the API has it."""
    refused = unprocessable(resource, name, [error])
    refused.message = refused.message.replace(resource.qualified_kind, resource.qualified, 1)
    refused.details = {**(refused.details or {}), "kind": resource.plural}
    return refused


def _carry_over(obj: Object, old: Version) -> None:
    meta = obj["metadata"]
    for field in _KEPT:
        if field in old.meta:
            meta.setdefault(field, old.meta[field])
    for field in ("generation", "deletionGracePeriodSeconds"):
        if field in old.meta:
            meta[field] = old.meta[field]
        else:
            meta.pop(field, None)
    meta.pop("selfLink", None)
    meta.pop("managedFields", None)


def _keep_all_but_status(obj: Object, old: Version) -> None:
    status, meta = obj.get("status"), obj["metadata"]
    kept = old.copy()
    # A status update may change labels and annotations, as it may on the real API.
    for field in ("labels", "annotations", "finalizers"):
        if field in meta:
            kept["metadata"][field] = meta[field]
        else:
            kept["metadata"].pop(field, None)
    obj.clear()
    obj.update(kept)
    if status is None:
        obj.pop("status", None)
    else:
        obj["status"] = status


def _keep_status(resource: Resource, obj: Object, old: Version) -> None:
    if not resource.has_status:
        return
    if "status" in old.obj:
        obj["status"] = old.copy()["status"]
    else:
        obj.pop("status", None)


def _count_generation(strategy: Strategy, obj: Object, old: Version) -> None:
    if strategy.own_generation and obj.get("spec") != old.obj.get("spec"):
        obj["metadata"]["generation"] = int(old.meta.get("generation", 0)) + 1


def _validate(
    resource: Resource, strategy: Strategy, obj: Object, old: Version, *, status: bool
) -> None:
    errors = validate_meta(resource, obj["metadata"], strategy.name_errors)
    errors += validate_meta_update(obj["metadata"], old.meta)
    check = strategy.validate_status if status else strategy.validate_update
    errors += check(obj, old.obj)
    if errors:
        raise unprocessable(resource, old.name, errors)
