"""Objects by something other than their name: by owner, by node."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from ..store import Change, Key, Store, Version


class Index:
    """Follows the changes of one resource. `values` says under which values an object is found."""

    def __init__(
        self, store: Store, resource: str, values: Callable[[Version], Iterable[str]]
    ) -> None:
        self._store = store
        self._resource = resource
        self._values = values
        self._keys: defaultdict[str, dict[Key, None]] = defaultdict(dict)
        for version in store.each(resource):
            self._add(version)
        store.listen(resource, self._follow)

    def find(self, value: str) -> list[Version]:
        """In the order in which they came."""
        found = (self._store.get(self._resource, *key) for key in self._keys.get(value, ()))
        return [version for version in found if version is not None]

    def _follow(self, change: Change) -> None:
        if change.old is not None:
            self._drop(change.old, keep=() if change.deleted else self._values(change.new))
        if not change.deleted:
            self._add(change.new)

    def _add(self, version: Version) -> None:
        for value in self._values(version):
            self._keys[value].setdefault(version.key)

    def _drop(self, version: Version, keep: Iterable[str]) -> None:
        for value in set(self._values(version)) - set(keep):
            keys = self._keys[value]
            keys.pop(version.key, None)
            if not keys:
                del self._keys[value]


def owner_uids(version: Version) -> list[str]:
    return [owner["uid"] for owner in version.meta.get("ownerReferences") or ()]


def controller_uid(version: Version) -> list[str]:
    owners = version.meta.get("ownerReferences") or ()
    return [owner["uid"] for owner in owners if owner.get("controller")]


def node_name(version: Version) -> list[str]:
    name = version.obj.get("spec", {}).get("nodeName")
    return [name] if name else []
