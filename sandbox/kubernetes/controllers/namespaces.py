"""Namespaces: what each one gets a moment after it was made, and how it is emptied."""

from ..cluster import Cluster
from ..errors import ApiError
from ..objects import DeleteOptions, create, delete
from ..objects.updating import store_update
from ..resources import CONFIGMAPS, NAMESPACES, RESOURCES, SERVICEACCOUNTS, Resource
from ..store import Change, Object, Version
from .queue import Queue

_NAMESPACED = tuple(r for r in RESOURCES if r.namespaced)
# There is no TLS here, so nobody can check anything by it; pods that mount it find a file.
_CA = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
_CA_NOTE = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal"
    " endpoints such as the internal service IP or kubernetes.default.svc. No other usage is"
    " guaranteed across distributions of Kubernetes clusters."
)


class NamespaceController:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._queue: Queue[str] = Queue(cluster, self.reconcile)
        self._store.listen("namespaces", self._namespace_changed)
        for resource in _NAMESPACED:
            self._store.listen(resource.plural, self._content_changed)

    def start(self) -> None:
        for namespace in self._store.versions("namespaces"):
            self._queue.add(namespace.name)
        self._queue.start()

    def _namespace_changed(self, change: Change) -> None:
        if change.old is None:
            due = self._cluster.now() + self._cluster.settings.namespace_delay
            self._queue.add_at(due, change.new.name)
        elif not change.deleted:
            self._queue.add(change.new.name)

    def _content_changed(self, change: Change) -> None:
        if change.deleted:
            self._queue.add(change.new.namespace)

    def reconcile(self, name: str) -> None:
        namespace = self._store.get("namespaces", "", name)
        if namespace is None:
            return
        if namespace.obj["status"].get("phase") == "Terminating":
            self._empty(namespace)
        else:
            self._furnish(name)

    def _furnish(self, name: str) -> None:
        self._ensure(SERVICEACCOUNTS, name, {"metadata": {"name": "default"}})
        note = {"kubernetes.io/description": _CA_NOTE}
        meta = {"name": "kube-root-ca.crt", "annotations": note}
        self._ensure(CONFIGMAPS, name, {"metadata": meta, "data": {"ca.crt": _CA}})

    def _ensure(self, resource: Resource, namespace: str, obj: Object) -> None:
        if self._store.get(resource.plural, namespace, obj["metadata"]["name"]) is None:
            create(self._cluster, resource, namespace, obj)

    def _empty(self, namespace: Version) -> None:
        left = False
        for resource in _NAMESPACED:
            for version in self._store.versions(resource.plural, namespace.name):
                left = not self._delete(resource, version) or left
        if left:
            return
        current = self._store.get("namespaces", "", namespace.name)
        if current is None:
            return
        obj = current.copy()
        kept = [item for item in obj["spec"].get("finalizers") or () if item != "kubernetes"]
        obj["spec"] = {"finalizers": kept} if kept else {}
        store_update(self._cluster, NAMESPACES, obj, current)

    def _delete(self, resource: Resource, version: Version) -> bool:
        """Whether it is gone."""
        options = DeleteOptions(policy="Background", uid=version.uid)
        try:
            return delete(self._cluster, resource, version.namespace, version.name, options).gone
        except ApiError as error:
            return error.code == 404
