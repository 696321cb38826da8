"""Hollow nodes: always ready, with room, and nothing runs on them.

Their pods are Running as soon as they are bound, and gone as soon as they are deleted; they never
end by themselves, so whoever wants an end writes it into the pod's status.
"""

from ..clock import iso, iso_micro, parse_time
from ..cluster import Cluster
from ..objects import DeleteOptions, create, delete
from ..resources import LEASES, NODES, PODS
from ..settings import VERSION
from ..store import Change, Key, Object, Version
from . import hollow_pods
from .conditions import set_condition
from .index import node_name
from .nodes import LEASES as LEASE_NAMESPACE
from .queue import Queue

ANNOTATION = "sandbox/hollow"
_LOOK_SECONDS = 1.0  # at a pod whose image cannot be pulled
# Every node has to say these, whatever they are.
_UNKNOWN = (
    "bootID",
    "containerRuntimeVersion",
    "kernelVersion",
    "kubeProxyVersion",
    "machineID",
    "osImage",
    "systemUUID",
)
_HEARTBEATS = 4  # in the time that a silent node is given


class HollowNodes:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._queue: Queue[Key] = Queue(cluster, self._look_at_pod)
        self._store.listen("pods", self._pod_changed)
        cluster.faults.changed.append(self._look_again)

    def start(self) -> None:
        for number in range(1, self._cluster.settings.nodes + 1):
            name = f"hollow-{number}"
            if self._store.get("nodes", "", name) is None:
                create(self._cluster, NODES, "", self._node(name))
        self._look_again()
        self._beat()
        self._queue.start()

    def _look_again(self) -> None:
        """Nodes may have been lost, or may be back."""
        for pod in self._store.versions("pods"):
            self._queue.add(pod.key)

    def _node(self, name: str) -> Object:
        settings = self._cluster.settings
        amounts = {
            "cpu": settings.node_cpu,
            "memory": settings.node_memory,
            "pods": str(settings.node_pods),
            "ephemeral-storage": "100Gi",
        }
        labels = {"kubernetes.io/hostname": name}
        meta = {"name": name, "labels": labels, "annotations": {ANNOTATION: "true"}}
        info = {name: "" for name in _UNKNOWN} | {
            "kubeletVersion": VERSION,
            "architecture": "amd64",
            "operatingSystem": "linux",
        }
        status = {
            "capacity": amounts,
            "allocatable": amounts,
            "nodeInfo": info,
            "addresses": [{"type": "Hostname", "address": name}],
        }
        return {"metadata": meta, "spec": {}, "status": status}

    def _beat(self) -> None:
        for node in self._store.versions("nodes"):
            if _is_hollow(node) and not self._cluster.faults.node_lost(node.name):
                self._be_ready(node)
        settings = self._cluster.settings
        pause = settings.scaled(settings.node_grace) / _HEARTBEATS
        self._cluster.timers.after(pause, self._beat)

    def _be_ready(self, node: Version) -> None:
        now, obj = self._cluster.now(), node.copy()
        condition = {
            "type": "Ready",
            "status": "True",
            "lastHeartbeatTime": node.meta["creationTimestamp"],
            "lastTransitionTime": iso(now),
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
        }
        if set_condition(obj, condition):
            self._store.write("nodes", obj)
        lease = self._store.get("leases", LEASE_NAMESPACE, node.name)
        spec = {
            "holderIdentity": node.name,
            "leaseDurationSeconds": 40,
            "renewTime": iso_micro(now),
        }
        if lease is None:
            obj = {"metadata": {"name": node.name}, "spec": spec}
            create(self._cluster, LEASES, LEASE_NAMESPACE, obj)
        else:
            self._store.write("leases", {**lease.copy(), "spec": spec})

    def _pod_changed(self, change: Change) -> None:
        if not change.deleted:
            self._queue.add(change.new.key)

    def _look_at_pod(self, key: Key) -> None:
        pod = self._store.get("pods", *key)
        names = node_name(pod) if pod else []
        node = self._store.get("nodes", "", names[0]) if names else None
        if pod is None or node is None or not _is_hollow(node):
            return
        if self._cluster.faults.node_lost(node.name):
            return
        if pod.meta.get("deletionTimestamp"):
            if pod.meta.get("deletionGracePeriodSeconds"):
                delete(self._cluster, PODS, *key, DeleteOptions(grace=0, uid=pod.uid))
        elif pod.obj["status"].get("phase") == "Pending":
            self._run(pod)

    def _run(self, pod: Version) -> None:
        obj, now = pod.copy(), iso(self._cluster.now())
        if failure := hollow_pods.pull_failure(pod):
            started = pod.obj["status"].get("startTime") or now
            waiting = hollow_pods.waiting(failure, self._cluster.now() - parse_time(started))
            hollow_pods.be_pending(obj, started, failure, waiting)
            self._queue.add_at(self._cluster.now() + _LOOK_SECONDS, pod.key)
        else:
            hollow_pods.be_running(obj, now)
        if obj != pod.obj:
            self._store.write("pods", obj)


def _is_hollow(node: Version) -> bool:
    return ANNOTATION in (node.meta.get("annotations") or {})
