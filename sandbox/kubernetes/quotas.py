"""ResourceQuotas: what a namespace uses, kept up to date as its objects change."""

from collections.abc import Iterable
from decimal import Decimal

from . import quantity
from .errors import ApiError, forbidden
from .pod_resources import Amounts, add, limits_of, requests_of
from .resources import BY_KIND, Resource
from .store import Change, Object, Store, Version

_COUNTED = {r.plural: r for r in BY_KIND.values() if r.namespaced}
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_PLAIN_COUNTS = ("pods", "secrets", "configmaps", "resourcequotas")
_NOTHING: Amounts = {}


class Quotas:
    """Follows the store. A namespace without a quota costs nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._used: dict[str, Amounts] = {}
        for plural in _COUNTED:
            store.listen(plural, self._follow)

    def used(self, namespace: str) -> Amounts:
        if namespace not in self._used:
            total: Amounts = {}
            for plural, resource in _COUNTED.items():
                for version in self._store.versions(plural, namespace):
                    total = add(total, usage_of(resource, version.obj))
            self._used[namespace] = total
        return self._used[namespace]

    def _follow(self, change: Change) -> None:
        namespace = change.new.namespace
        if namespace not in self._used:
            return
        resource = _COUNTED[change.new.resource]
        before = usage_of(resource, change.old.obj) if change.old else _NOTHING
        after = _NOTHING if change.deleted else usage_of(resource, change.new.obj)
        if before != after:
            fewer = {name: -amount for name, amount in before.items()}
            self._used[namespace] = add(add(self._used[namespace], after), fewer)

    def check(self, resource: Resource, obj: Object) -> None:
        """Raises 403 when a new object would exceed a quota of its namespace."""
        namespace = obj["metadata"]["namespace"]
        for quota in self._store.versions("resourcequotas", namespace):
            hard = quota.obj.get("spec", {}).get("hard") or {}
            if resource.plural == "pods":
                _check_constraints(resource, obj, quota, hard)
            self._check_amounts(resource, obj, quota, hard)

    def _check_amounts(
        self, resource: Resource, obj: Object, quota: Version, hard: dict[str, str]
    ) -> None:
        wanted, used = usage_of(resource, obj), self.used(quota.namespace)
        exceeded = [
            name
            for name, limit in sorted(hard.items())
            if wanted.get(name)
            and used.get(name, Decimal(0)) + wanted[name] > quantity.parse(limit)
        ]
        if not exceeded:
            return
        requested = _shown(exceeded, wanted, hard)
        limited = ",".join(f"{name}={hard[name]}" for name in exceeded)
        why = (
            f"exceeded quota: {quota.name}, requested: {requested},"
            f" used: {_shown(exceeded, used, hard)}, limited: {limited}"
        )
        raise forbidden(resource, obj["metadata"].get("name", ""), why)

    def status_of(self, quota: Version) -> Object:
        hard = quota.obj.get("spec", {}).get("hard") or {}
        used = self.used(quota.namespace)
        shown = {name: quantity.text_of(used.get(name, Decimal(0)), hard[name]) for name in hard}
        return {"hard": dict(hard), "used": shown}


def usage_of(resource: Resource, obj: Object) -> Amounts:
    """What one object takes of each thing that a quota can limit."""
    one = Decimal(1)
    used = {f"count/{resource.qualified}": one}
    if resource.plural != "pods":
        return {**used, resource.plural: one} if resource.plural in _PLAIN_COUNTS else used
    if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return used
    used["pods"] = one
    requests, limits = requests_of(obj["spec"]), limits_of(obj["spec"])
    for name in _COMPUTE:
        if name in requests:
            used[name] = used[f"requests.{name}"] = requests[name]
        if name in limits:
            used[f"limits.{name}"] = limits[name]
    return used


def _check_constraints(
    resource: Resource, pod: Object, quota: Version, hard: Iterable[str]
) -> None:
    """Where a quota limits cpu or memory, every container must say what it needs."""
    missing = {}
    for name in sorted(hard):
        group, _, what = name.rpartition(".") if "." in name else ("requests", "", name)
        if what not in _COMPUTE or what == "ephemeral-storage":
            continue
        spec = pod["spec"]
        containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        silent = [c["name"] for c in containers if what not in (c["resources"].get(group) or {})]
        if silent:
            missing[name] = ",".join(sorted(silent))
    if missing:
        said = "; ".join(f"{name} for: {names}" for name, names in missing.items())
        why = f"failed quota: {quota.name}: must specify {said}"
        raise forbidden(resource, pod["metadata"].get("name", ""), why)


def _shown(names: Iterable[str], amounts: Amounts, hard: dict[str, str]) -> str:
    pairs = ((n, quantity.text_of(amounts.get(n, Decimal(0)), hard[n])) for n in names)
    return ",".join(f"{name}={text}" for name, text in pairs)


def full(resource: Resource, obj: Object) -> ApiError:
    """What a fault of the sandbox says in the place of a quota."""
    count = f"count/{resource.qualified}"
    why = f"exceeded quota: sandbox, requested: {count}=1, used: {count}=0, limited: {count}=0"
    return forbidden(resource, obj["metadata"].get("name", ""), why)
