"""Writes what each quota's namespace uses into the quota's status."""

from ..cluster import Cluster
from ..resources import RESOURCES
from ..store import Change
from .queue import Queue


class QuotaController:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._queue: Queue[str] = Queue(cluster, self.reconcile)
        for resource in RESOURCES:
            if resource.namespaced:
                self._store.listen(resource.plural, self._changed)

    def start(self) -> None:
        for quota in self._store.versions("resourcequotas"):
            self._queue.add(quota.namespace)
        self._queue.start()

    def _changed(self, change: Change) -> None:
        if self._store.versions("resourcequotas"):
            self._queue.add(change.new.namespace)

    def reconcile(self, namespace: str) -> None:
        for quota in self._store.versions("resourcequotas", namespace):
            status = self._cluster.quotas.status_of(quota)
            if quota.obj.get("status") != status:
                self._store.write("resourcequotas", {**quota.copy(), "status": status})
