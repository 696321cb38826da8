"""The garbage collector: what belongs to an object goes with it."""

from ..cluster import Cluster
from ..objects import DeleteOptions, delete
from ..objects.deleting import FOREGROUND, ORPHAN
from ..objects.updating import store_update
from ..resources import BY_KIND, RESOURCES, Resource
from ..store import Change, Object, Version
from .index import Index, owner_uids
from .queue import Queue

_WITH_META = tuple(resource for resource in RESOURCES if "get" in resource.verbs)
Item = tuple[str, str, str]  # resource, namespace, name


class GarbageCollector:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._resources = {resource.plural: resource for resource in _WITH_META}
        self._dependents = {
            plural: Index(self._store, plural, owner_uids) for plural in self._resources
        }
        self._queue: Queue[Item] = Queue(cluster, self.reconcile)
        for plural in self._resources:
            self._store.listen(plural, self._changed)

    def start(self) -> None:
        for plural in self._resources:
            for version in self._store.versions(plural):
                if _concerns(version):
                    self._queue.add((plural, *version.key))
        self._queue.start()

    def _changed(self, change: Change) -> None:
        version = change.new
        if change.deleted:
            self._owner_gone(version)
        elif _concerns(version):
            self._queue.add((version.resource, *version.key))

    def _owner_gone(self, owner: Version) -> None:
        """Its dependents lose it; those that own it in turn may have waited for this."""
        for dependent in self._of(owner.uid):
            self._queue.add((dependent.resource, *dependent.key))
        for reference in owner.meta.get("ownerReferences") or ():
            resource = BY_KIND.get((reference["apiVersion"], reference["kind"]))
            if resource is not None:
                namespace = owner.namespace if resource.namespaced else ""
                self._queue.add((resource.plural, namespace, reference["name"]))

    def _of(self, uid: str) -> list[Version]:
        return [version for index in self._dependents.values() for version in index.find(uid)]

    def reconcile(self, item: Item) -> None:
        version = self._store.get(*item)
        if version is None:
            return
        resource = self._resources[version.resource]
        if version.meta.get("deletionTimestamp"):
            finalizers = version.meta.get("finalizers") or ()
            if ORPHAN in finalizers:
                self._orphan(resource, version)
            elif FOREGROUND in finalizers:
                self._delete_dependents_first(resource, version)
        elif version.meta.get("ownerReferences"):
            self._check_owners(resource, version)

    def _orphan(self, resource: Resource, owner: Version) -> None:
        for dependent in self._of(owner.uid):
            obj = dependent.copy()
            _drop_owners(obj, {owner.uid})
            self._store.write(dependent.resource, obj)
        self._drop_finalizer(resource, owner, ORPHAN)

    def _delete_dependents_first(self, resource: Resource, owner: Version) -> None:
        blocking = False
        for dependent in self._of(owner.uid):
            reference = next(o for o in dependent.meta["ownerReferences"] if o["uid"] == owner.uid)
            blocking = blocking or bool(reference.get("blockOwnerDeletion"))
            if not dependent.meta.get("deletionTimestamp"):
                self._delete(dependent, "Foreground" if self._of(dependent.uid) else "Background")
        if not blocking or not self._still_blocked(owner):
            self._drop_finalizer(resource, owner, FOREGROUND)

    def _still_blocked(self, owner: Version) -> bool:
        return any(
            reference["uid"] == owner.uid and reference.get("blockOwnerDeletion")
            for dependent in self._of(owner.uid)
            for reference in dependent.meta["ownerReferences"]
        )

    def _check_owners(self, resource: Resource, version: Version) -> None:
        references = version.meta["ownerReferences"]
        absent = {o["uid"] for o in references if not self._exists(version, o)}
        if not absent:
            return
        if len(absent) == len(references):
            self._delete(version, "Background")
            return
        obj = version.copy()
        _drop_owners(obj, absent)
        self._store.write(version.resource, obj)

    def _exists(self, version: Version, reference: Object) -> bool:
        """An owner of a kind that is not served here cannot be checked, so it counts as there."""
        resource = BY_KIND.get((reference["apiVersion"], reference["kind"]))
        if resource is None:
            return True
        namespace = version.namespace if resource.namespaced else ""
        owner = self._store.get(resource.plural, namespace, reference["name"])
        return owner is not None and owner.uid == reference["uid"]

    def _delete(self, version: Version, policy: str) -> None:
        options = DeleteOptions(policy=policy, uid=version.uid)
        resource = self._resources[version.resource]
        delete(self._cluster, resource, version.namespace, version.name, options)

    def _drop_finalizer(self, resource: Resource, owner: Version, finalizer: str) -> None:
        current = self._store.get(owner.resource, *owner.key)
        if current is None or current.uid != owner.uid:
            return
        obj = current.copy()
        left = [item for item in obj["metadata"].get("finalizers") or () if item != finalizer]
        obj["metadata"]["finalizers"] = left
        if not left:
            del obj["metadata"]["finalizers"]
        store_update(self._cluster, resource, obj, current)


def _concerns(version: Version) -> bool:
    meta = version.meta
    return bool(meta.get("ownerReferences") or meta.get("deletionTimestamp"))


def _drop_owners(obj: Object, uids: set[str]) -> None:
    meta = obj["metadata"]
    left = [owner for owner in meta["ownerReferences"] if owner["uid"] not in uids]
    if left:
        meta["ownerReferences"] = left
    else:
        del meta["ownerReferences"]
