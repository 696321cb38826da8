"""Deleting an object: at once, after its grace period, or when its finalizers are gone."""

from dataclasses import dataclass
from typing import Any

from ..clock import iso, parse_time
from ..cluster import Cluster
from ..errors import ApiError, bad_option, conflict, invalid, not_found, unsupported
from ..resources import Resource
from ..store import Object, Version
from .strategies import strategy_of
from .strategy import Strategy

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_POLICIES = ("Foreground", "Background", "Orphan")


@dataclass(frozen=True, kw_only=True)
class DeleteOptions:
    """Raises ApiError when made of something invalid by `read`."""

    grace: int | None = None
    policy: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False

    @classmethod
    def read(cls, raw: Object) -> "DeleteOptions":
        """Of a DeleteOptions object."""
        policy = raw.get("propagationPolicy") or ""
        if policy and raw.get("orphanDependents") is not None:
            why = "orphanDependents and deletionPropagation cannot be both set"
            raise bad_option("DeleteOptions", invalid("propagationPolicy", policy, why))
        if policy and policy not in _POLICIES:
            error = unsupported("propagationPolicy", policy, (*_POLICIES, "nil"))
            raise bad_option("DeleteOptions", error)
        if raw.get("orphanDependents") is not None:
            policy = "Orphan" if raw["orphanDependents"] else "Background"
        conditions: dict[str, Any] = raw.get("preconditions") or {}
        grace = raw.get("gracePeriodSeconds")
        return cls(
            grace=None if grace is None else max(int(grace), 0) if grace >= 0 else 1,
            policy=policy,
            uid=conditions.get("uid") or "",
            resource_version=conditions.get("resourceVersion") or "",
            dry_run=bool(raw.get("dryRun")),
        )


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """`gone`: the object is no more. `version` is its last state, or the one that it has now."""

    version: Version
    gone: bool


def delete(
    cluster: Cluster, resource: Resource, namespace: str, name: str, options: DeleteOptions
) -> Deleted:
    """Raises ApiError."""
    old = cluster.store.get(resource.plural, namespace, name)
    if old is None:
        raise not_found(resource, name)
    strategy = strategy_of(resource)
    _check_preconditions(resource, old, options)
    obj = old.copy()
    graceful = _mark(cluster, strategy, obj, options)
    _set_finalizers(strategy, obj, options)
    waits = bool(obj["metadata"].get("finalizers")) or _holds_namespace(resource, obj)
    if waits and not obj["metadata"].get("deletionTimestamp"):
        obj["metadata"]["deletionTimestamp"] = cluster.timestamp()
        if resource.plural != "namespaces":
            obj["metadata"]["deletionGracePeriodSeconds"] = 0
        _count_generation(obj)
    if waits and resource.plural == "namespaces":
        obj.setdefault("status", {})["phase"] = "Terminating"
    stays = graceful or waits
    if options.dry_run:
        return Deleted(version=Version.unstored(resource.plural, obj), gone=not stays)
    if not stays:
        return Deleted(version=cluster.store.remove(resource.plural, obj), gone=True)
    changed = obj != old.obj
    version = cluster.store.write(resource.plural, obj) if changed else old
    return Deleted(version=version, gone=False)


def _check_preconditions(resource: Resource, old: Version, options: DeleteOptions) -> None:
    if options.uid and options.uid != old.uid:
        raise _precondition(
            resource,
            old.name,
            f"the UID in the precondition ({options.uid}) does not match the UID in record"
            f" ({old.uid}). The object might have been deleted and then recreated",
        )
    version = old.meta["resourceVersion"]
    if options.resource_version and options.resource_version != version:
        raise _precondition(
            resource,
            old.name,
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match"
            f" the ResourceVersion in record ({version}). The object might have been modified",
        )


def _precondition(resource: Resource, name: str, why: str) -> ApiError:
    """A conflict that names the kind where all others name the resource, as the API has it."""
    error = conflict(resource, name, why)
    error.message = error.message.replace(resource.qualified, resource.qualified_kind, 1)
    error.details = {**(error.details or {}), "kind": resource.kind}
    return error


def _mark(cluster: Cluster, strategy: Strategy, obj: Object, options: DeleteOptions) -> bool:
    """Give a pod its deletionTimestamp; whether it has grace left, and so stays for now."""
    if not strategy.graceful:
        return False
    meta = obj["metadata"]
    if meta.get("deletionTimestamp"):
        return _shorten(cluster, meta, options.grace)
    grace = _grace(obj, options.grace)
    meta["deletionTimestamp"] = iso(cluster.now() + grace)
    meta["deletionGracePeriodSeconds"] = grace
    _count_generation(obj)
    return grace > 0


def _shorten(cluster: Cluster, meta: Object, grace: int | None) -> bool:
    left = int(meta.get("deletionGracePeriodSeconds") or 0)
    if not left:
        return False
    if grace is None or grace >= left:
        return True
    moment = parse_time(meta["deletionTimestamp"]) - left + grace
    if moment < cluster.now():
        moment, grace = cluster.now(), 1 if grace else 0
    meta["deletionTimestamp"] = iso(moment)
    meta["deletionGracePeriodSeconds"] = grace
    return grace > 0


def _grace(pod: Object, wanted: int | None) -> int:
    """A pod that never reached a node, or has ended, needs none."""
    spec = pod["spec"]
    if not spec.get("nodeName") or pod["status"].get("phase") in ("Failed", "Succeeded"):
        return 0
    return int(spec.get("terminationGracePeriodSeconds", 30)) if wanted is None else wanted


def _set_finalizers(strategy: Strategy, obj: Object, options: DeleteOptions) -> None:
    policy = options.policy
    if not policy and strategy.orphans_by_default:
        policy = "Orphan"
    wanted = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(policy)
    meta = obj["metadata"]
    kept = list(meta.get("finalizers") or [])
    if policy:
        kept = [item for item in kept if item not in (FOREGROUND, ORPHAN)]
    finalizers = [*kept, wanted] if wanted else kept
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)


def _holds_namespace(resource: Resource, obj: Object) -> bool:
    return resource.plural == "namespaces" and bool(obj.get("spec", {}).get("finalizers"))


def _count_generation(obj: Object) -> None:
    if obj["metadata"].get("generation"):
        obj["metadata"]["generation"] += 1
