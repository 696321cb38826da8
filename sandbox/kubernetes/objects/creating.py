"""Creating an object."""

from dataclasses import dataclass

from ..cluster import Cluster
from ..errors import ApiError, already_exists, bad_request, unprocessable
from ..resources import Resource
from ..rules.meta import validate_meta
from ..store import Object, Version
from .namespaces import check_namespace
from .strategies import check_quota, strategy_of

_MAX_GENERATED = 58  # of a generateName, so that its random end fits into 63 characters


@dataclass(frozen=True, kw_only=True)
class Created:
    version: Version
    warnings: tuple[str, ...] = ()


def create(
    cluster: Cluster, resource: Resource, namespace: str, obj: Object, *, dry_run: bool = False
) -> Created:
    """Store a new object, which may be changed. Raises ApiError."""
    strategy = strategy_of(resource)
    _begin(cluster, resource, namespace, obj)
    check_namespace(cluster, resource, namespace, str(obj["metadata"].get("name", "")))
    strategy.default(obj)
    strategy.admit(cluster, obj)
    strategy.prepare_create(cluster, obj)
    errors = validate_meta(resource, obj["metadata"], strategy.name_errors) + strategy.validate(obj)
    if errors:
        raise unprocessable(resource, obj["metadata"].get("name", ""), errors)
    strategy.finish(obj)
    strategy.permit(cluster, obj)
    check_quota(cluster, resource, obj)
    name = obj["metadata"]["name"]
    if cluster.store.get(resource.plural, namespace, name):
        raise already_exists(resource, name)
    warnings = tuple(strategy.warn(cluster, obj))
    if dry_run:
        return Created(version=Version.unstored(resource.plural, obj), warnings=warnings)
    return Created(version=cluster.store.write(resource.plural, obj), warnings=warnings)


def _begin(cluster: Cluster, resource: Resource, namespace: str, obj: Object) -> None:
    """Fill in what the server alone decides."""
    meta = obj.setdefault("metadata", {})
    if resource.namespaced:
        if meta.get("namespace", namespace) != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent"
                " on the request"
            )
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    if meta.get("resourceVersion"):
        message = "resourceVersion should not be set on objects to be created"
        raise ApiError(500, "", message)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"][:_MAX_GENERATED] + cluster.suffix()
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"):
        meta.pop(field, None)
    meta["uid"] = cluster.new_uid()
    meta["creationTimestamp"] = cluster.timestamp()
    meta.pop("generation", None)
    if strategy_of(resource).own_generation:
        meta["generation"] = 1
