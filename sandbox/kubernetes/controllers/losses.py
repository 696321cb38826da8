"""Pods that are lost: a fault decides when a pod is made; later it is gone without a word."""

from ..cluster import Cluster
from ..objects import DeleteOptions, delete
from ..resources import PODS
from ..store import Change, Key, Version


def lose(cluster: Cluster, pod: Version) -> None:
    """As if somebody had forced its deletion: no grace, and nobody confirms its end."""
    delete(cluster, PODS, pod.namespace, pod.name, DeleteOptions(grace=0))


class Losses:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._store.listen("pods", self._pod_changed)

    def start(self) -> None:
        """What was decided before a restart is forgotten; the rules are not."""

    def _pod_changed(self, change: Change) -> None:
        if change.old is not None or change.deleted:
            return
        key, uid = change.new.key, change.new.uid
        strike = self._cluster.faults.of_pod("lost_pod", change.new.name, ())
        if strike is not None:
            self._cluster.timers.after(strike.seconds, lambda: self._lose(key, uid))

    def _lose(self, key: Key, uid: str) -> None:
        pod = self._store.get("pods", *key)
        if pod is not None and pod.uid == uid:
            lose(self._cluster, pod)
