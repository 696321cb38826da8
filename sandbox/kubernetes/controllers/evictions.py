"""Pods leave a node whose taints they do not tolerate, or not for ever."""

from ..clock import iso, parse_time
from ..cluster import Cluster
from ..objects import DeleteOptions, delete
from ..resources import PODS
from ..store import Object, Version
from .conditions import set_condition
from .fit import tolerates
from .index import Index
from .recorder import Recorder


class Evictions:
    def __init__(self, cluster: Cluster, pods: Index) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._pods = pods
        self._recorder = Recorder(cluster, "taint-eviction-controller")
        self._seen: dict[tuple[str, str, float], float] = {}
        self._looks: dict[str, float] = {}

    def consider(self, name: str) -> None:
        """Evict what is due on a node, and come back for what will be."""
        node = self._store.get("nodes", "", name)
        taints = [t for t in (node.obj["spec"].get("taints") or ())] if node else []
        lasting = [taint for taint in taints if taint["effect"] == "NoExecute"]
        if not lasting:
            return
        dues = []
        for pod in self._pods.find(name):
            if pod.meta.get("deletionTimestamp") or _has_ended(pod):
                continue
            due = self._due(pod, lasting)
            if due is not None and due <= self._cluster.now():
                self._evict(pod)
            elif due is not None:
                dues.append(due)
        if dues and self._looks.get(name, 0.0) <= self._cluster.now():
            self._looks[name] = min(dues)
            self._cluster.timers.at(min(dues), lambda: self.consider(name))

    def _due(self, pod: Version, taints: list[Object]) -> float | None:
        """When the first taint drives the pod away; None for never."""
        tolerations = pod.obj["spec"].get("tolerations") or ()
        dues = []
        for taint in taints:
            matching = [t for t in tolerations if tolerates(t, taint)]
            if not matching:
                return self._cluster.now()
            seconds = [t["tolerationSeconds"] for t in matching if "tolerationSeconds" in t]
            if seconds:
                dues.append(
                    self._since(pod, taint) + self._cluster.settings.scaled(max(min(seconds), 0))
                )
        return min(dues, default=None)

    def _since(self, pod: Version, taint: Object) -> float:
        """The API tells it to the second, which is long on a fast clock: so what was seen to
        happen counts to the millisecond."""
        now = self._cluster.now()
        told = parse_time(taint["timeAdded"]) if "timeAdded" in taint else now
        seen = self._seen.setdefault((pod.obj["spec"]["nodeName"], taint["key"], told), now)
        return seen if seen - told < 1 else told

    def _evict(self, pod: Version) -> None:
        self._recorder.normal(
            PODS,
            pod,
            "TaintManagerEviction",
            f"Marking for deletion Pod {pod.namespace}/{pod.name}",
        )
        message = "Taint manager: deleting due to NoExecute taint"
        self._disrupt(pod, message, "DeletionByTaintManager")
        delete(self._cluster, PODS, pod.namespace, pod.name, DeleteOptions(uid=pod.uid))

    def _disrupt(self, pod: Version, message: str, reason: str, phase: str = "") -> None:
        obj = pod.copy()
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": iso(self._cluster.now()),
            "reason": reason,
            "message": message,
        }
        changed = set_condition(obj, condition)
        if phase and not _has_ended(pod):
            obj["status"]["phase"] = phase
            changed = True
        if changed:
            self._store.write("pods", obj)

    def fail(self, pod: Version, message: str, reason: str) -> None:
        """End a pod of which nobody will tell any more."""
        self._disrupt(pod, message, reason, phase="Failed")


def _has_ended(pod: Version) -> bool:
    return pod.obj["status"].get("phase") in ("Succeeded", "Failed")
