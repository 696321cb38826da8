"""The life of nodes: one that is not heard of is not ready, and what it ran goes elsewhere.

A node is heard of when its Lease is renewed or it posts its status. What is said by neither for
`node_grace` becomes Unknown; the node gets the taints, its pods are no longer Ready. Where every
node is silent the fault is taken to be the control plane's own, and nothing is evicted.
"""

from ..clock import iso
from ..cluster import Cluster
from ..objects import DeleteOptions, delete
from ..resources import PODS
from ..store import Change, Object, Version
from .conditions import condition_of, set_condition
from .evictions import Evictions
from .index import Index, node_name
from .queue import Queue
from .recorder import Recorder

LEASES = "kube-node-lease"
_NOT_READY, _UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_QUARANTINE = 40.0  # seconds, for pods of a node that was deleted


class NodeController:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._recorder = Recorder(cluster, "node-controller")
        self._pods = Index(self._store, "pods", node_name)
        self._heard: dict[str, float] = {}
        self._missing: dict[str, float] = {}  # since when
        self._looks: dict[str, float] = {}  # when the next look at a node is due
        self._queue: Queue[str] = Queue(cluster, self.reconcile)
        self._evictions = Evictions(cluster, self._pods)
        self._store.listen("nodes", self._node_changed)
        self._store.listen("leases", self._lease_changed)
        self._store.listen("pods", self._pod_changed)

    def start(self) -> None:
        for node in self._store.versions("nodes"):
            self._heard[node.name] = self._cluster.now()
            self._queue.add(node.name)
        for pod in self._store.versions("pods"):
            for name in node_name(pod):
                self._queue.add(name)
        self._queue.start()

    def _lease_changed(self, change: Change) -> None:
        if change.new.namespace == LEASES and not change.deleted:
            self._heard[change.new.name] = self._cluster.now()

    def _node_changed(self, change: Change) -> None:
        name = change.new.name
        if change.deleted:
            self._heard.pop(name, None)
        elif change.old is None or _heartbeat(change.new) != _heartbeat(change.old):
            self._heard[name] = self._cluster.now()
        if change.deleted or change.old is None or is_ready(change.new) != is_ready(change.old):
            for node in self._store.versions("nodes"):
                self._queue.add(node.name)
        self._queue.add(name)

    def _pod_changed(self, change: Change) -> None:
        """One that is bound to a node that is lost already."""
        if not change.deleted and (change.old is None or not node_name(change.old)):
            for name in node_name(change.new):
                self._queue.add(name)

    def reconcile(self, name: str) -> None:
        node = self._store.get("nodes", "", name)
        if node is None:
            self._miss(name)
            return
        self._missing.pop(name, None)
        now, obj = self._cluster.now(), node.copy()
        silent_at = self._heard.setdefault(name, now) + self._cluster.settings.scaled(
            self._cluster.settings.node_grace
        )
        if now >= silent_at:
            self._lose(obj)
        elif self._looks.get(name, 0.0) <= now:
            self._looks[name] = silent_at
            self._queue.add_at(silent_at, name)
        self._set_taints(obj)
        if obj != node.obj:
            node = self._store.write("nodes", obj)
        if condition_of(node.obj, "Ready").get("status") in ("False", "Unknown"):
            self._mark_pods(name)
        self._evictions.consider(name)

    def _lose(self, obj: Object) -> None:
        now = iso(self._cluster.now())
        for kind in _CONDITIONS:
            if condition_of(obj, kind).get("status") != "Unknown":
                condition = {
                    "type": kind,
                    "status": "Unknown",
                    "lastHeartbeatTime": condition_of(obj, kind).get("lastHeartbeatTime", now),
                    "lastTransitionTime": now,
                    "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                }
                set_condition(obj, condition)

    def _set_taints(self, obj: Object) -> None:
        ready = condition_of(obj, "Ready").get("status", "")
        key = {"True": "", "Unknown": _UNREACHABLE}.get(ready, _NOT_READY)
        effects = ["NoSchedule"] if key else []
        if ready in ("False", "Unknown") and self._someone_is_ready():
            effects.append("NoExecute")
        wanted = [(key, effect) for effect in effects]
        taints = obj["spec"].get("taints") or []
        kept = [
            taint
            for taint in taints
            if taint["key"] not in (_NOT_READY, _UNREACHABLE)
            or (taint["key"], taint["effect"]) in wanted
        ]
        known = [(taint["key"], taint["effect"]) for taint in kept]
        now = iso(self._cluster.now())
        kept += [
            {"key": key, "effect": effect, "timeAdded": now}
            for key, effect in wanted
            if (key, effect) not in known
        ]
        obj["spec"].pop("taints", None)
        if kept:
            obj["spec"]["taints"] = kept

    def _someone_is_ready(self) -> bool:
        return any(is_ready(node) for node in self._store.each("nodes"))

    def _mark_pods(self, name: str) -> None:
        """What they last said of themselves no longer holds."""
        for pod in self._pods.find(name):
            if condition_of(pod.obj, "Ready").get("status") != "True":
                continue
            obj = pod.copy()
            ready = condition_of(obj, "Ready")
            set_condition(
                obj, {**ready, "status": "False", "lastTransitionTime": iso(self._cluster.now())}
            )
            pod = self._store.write("pods", obj)
            self._recorder.warning(PODS, pod, "NodeNotReady", "Node is not ready")

    def _miss(self, name: str) -> None:
        """Pods of a node that has been missing for a while end without a word."""
        now, pause = self._cluster.now(), self._cluster.settings.scaled(_QUARANTINE)
        if name not in self._missing:
            self._missing[name] = now
            self._queue.add_at(now + pause, name)
        if now < self._missing[name] + pause:
            return
        del self._missing[name]
        for pod in self._pods.find(name):
            self._evictions.fail(pod, "PodGC: node no longer exists", "DeletionByPodGC")
            delete(self._cluster, PODS, pod.namespace, pod.name, DeleteOptions(grace=0))


def is_ready(node: Version) -> bool:
    return bool(condition_of(node.obj, "Ready").get("status") == "True")


def _heartbeat(node: Version) -> Object:
    return condition_of(node.obj, "Ready")
