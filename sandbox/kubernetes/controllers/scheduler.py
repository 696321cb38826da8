"""The scheduler: a node for each pod that has none."""

from collections import Counter

from ..clock import iso
from ..cluster import Cluster
from ..pod_resources import Amounts, add, requests_of
from ..resources import PODS
from ..store import Change, Key, Object, Version
from . import fit
from .conditions import set_condition
from .index import Index, node_name
from .queue import Queue
from .recorder import Recorder

NAME = "default-scheduler"


class Scheduler:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._recorder = Recorder(cluster, NAME, modern=True)
        self._by_node = Index(self._store, "pods", node_name)
        self._queue: Queue[Key] = Queue(cluster, self.reconcile)
        self._waiting: dict[Key, None] = {}
        self._used: dict[str, tuple[Amounts, int]] = {}
        self._store.listen("pods", self._pod_changed)
        self._store.listen("nodes", lambda change: self.retry())

    def start(self) -> None:
        for pod in self._store.versions("pods"):
            self._queue.add(pod.key)
        self._queue.start()

    def retry(self) -> None:
        """There may be room for those that wait."""
        for key in self._waiting:
            self._queue.add(key)

    def _pod_changed(self, change: Change) -> None:
        for node in node_name(change.new):
            self._used.pop(node, None)
        if _wants_node(change.new) and not change.deleted:
            self._queue.add(change.new.key)
        elif change.deleted or _has_ended(change.new):
            self._waiting.pop(change.new.key, None)
            self.retry()

    def reconcile(self, key: Key) -> None:
        pod = self._store.get("pods", *key)
        if pod is None or not _wants_node(pod):
            self._waiting.pop(key, None)
        elif self._cluster.faults.scheduler_paused(pod.name):
            self._waiting.setdefault(key)
        else:
            self._schedule(pod)

    def _schedule(self, pod: Version) -> None:
        nodes = self._store.versions("nodes")
        refusals = {node.name: fit.why_not(pod, node, *self._load(node)) for node in nodes}
        fitting = [node for node in nodes if refusals[node.name] is fit.FITS]
        if not fitting:
            self._refuse(pod, refusals)
            return
        node = min(fitting, key=lambda node: (self._load(node)[1], node.name))
        self.bind(pod, node.name)

    def bind(self, pod: Version, node: str) -> None:
        self._waiting.pop(pod.key, None)
        obj = pod.copy()
        obj["spec"]["nodeName"] = node
        set_condition(obj, self._condition(obj, "True"))
        bound = self._store.write("pods", obj)
        message = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        self._recorder.normal(PODS, bound, "Scheduled", message, "Binding")

    def _load(self, node: Version) -> tuple[Amounts, int]:
        """What the pods of a node take of it."""
        if node.name not in self._used:
            pods = [pod for pod in self._by_node.find(node.name) if not _has_ended(pod)]
            total: Amounts = {}
            for pod in pods:
                total = add(total, requests_of(pod.obj["spec"]))
            self._used[node.name] = (total, len(pods))
        return self._used[node.name]

    def _condition(self, pod: Object, value: str) -> Object:
        return {
            "type": "PodScheduled",
            "status": value,
            "lastProbeTime": None,
            "lastTransitionTime": iso(self._cluster.now()),
        }

    def _refuse(self, pod: Version, refusals: dict[str, fit.Refusal]) -> None:
        self._waiting.setdefault(pod.key)
        message = _explain(refusals)
        obj = pod.copy()
        condition = self._condition(obj, "False")
        generation = obj["metadata"].get("generation", 1)
        condition |= {"reason": "Unschedulable", "message": message}
        condition["observedGeneration"] = generation
        if set_condition(obj, condition):
            pod = self._store.write("pods", obj)
            self._recorder.warning(PODS, pod, "FailedScheduling", message, "Scheduling")


def _wants_node(pod: Version) -> bool:
    spec = pod.obj["spec"]
    return (
        not spec.get("nodeName")
        and spec.get("schedulerName") == NAME
        and not pod.meta.get("deletionTimestamp")
        and not spec.get("schedulingGates")
        and not _has_ended(pod)
    )


def _has_ended(pod: Version) -> bool:
    return pod.obj["status"].get("phase") in ("Succeeded", "Failed")


def _explain(refusals: dict[str, fit.Refusal]) -> str:
    if not refusals:
        return "no nodes available to schedule pods"
    counted = Counter(reason for refusal in refusals.values() for reason in refusal.reasons)
    shown = ", ".join(f"{number} {reason}" for reason, number in sorted(counted.items()))
    total, full = len(refusals), sum(refusal.may_empty for refusal in refusals.values())
    victims = [f"{full} No preemption victims found for incoming pod"] if full else []
    helpless = [f"{total - full} Preemption is not helpful for scheduling"] if total > full else []
    preemption = ", ".join([*victims, *helpless])
    return (
        f"0/{total} nodes are available: {shown}. no new claims to deallocate,"
        f" preemption: 0/{total} nodes are available: {preemption}."
    )
