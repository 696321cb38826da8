"""The node as the API server sees it: a Node object, its status, and a Lease that is renewed."""

import os
import platform
import sys
import threading
import time
from collections.abc import Callable

from sandbox.kubernetes.clock import iso, iso_micro

from .api import Api, Refused, Unreachable
from .node import HOST_IP
from .settings import Settings
from .spec import Json

# Simulated seconds between two signs of life.
_BEAT_SECONDS = 10.0
_SHORTEST = 0.2
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_LEASE_SECONDS = 40
_VERSION = "v1.34.4"
_HEALTHY = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


class Registration:
    """A thread that registers the node, again where it was removed, and shows that it lives."""

    def __init__(
        self, api: Api, settings: Settings, port: int, images: Callable[[], list[str]]
    ) -> None:
        self._api, self._settings, self._port, self._images = api, settings, port, images
        self._beat = max(settings.scaled(_BEAT_SECONDS), _SHORTEST)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registration", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._show_node()
                self._renew_lease()
            except (Unreachable, Refused) as error:
                print(f"node: {error}", file=sys.stderr, flush=True)
            self._stop.wait(self._beat)

    def _show_node(self) -> None:
        path = f"/api/v1/nodes/{self._settings.node}"
        found = self._api.get(path)
        if found is None:
            found = self._api.call("POST", "/api/v1/nodes", self._node())
        status = self._status(found.get("status") or {})
        if _differs(status, found.get("status") or {}):
            try:
                self._api.call("PUT", f"{path}/status", {**found, "status": status})
            except Refused as error:
                if error.status not in (404, 409):  # looked at again with the next beat
                    raise

    def _node(self) -> Json:
        name = self._settings.node
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": _architecture(),
            **self._settings.labels,
        }
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "spec": {"taints": [dict(taint) for taint in self._settings.taints]},
            "status": self._status({}),
        }

    def _status(self, before: Json) -> Json:
        return {
            **before,
            "capacity": dict(self._settings.allocatable),
            "allocatable": dict(self._settings.allocatable),
            "conditions": self._conditions(before),
            "addresses": [
                {"type": "InternalIP", "address": HOST_IP},
                {"type": "Hostname", "address": self._settings.node},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "nodeInfo": _node_info(),
            "images": [{"names": [name], "sizeBytes": 1} for name in self._images()[:50]],
        }

    def _conditions(self, before: Json) -> list[Json]:
        known = {entry["type"]: entry for entry in before.get("conditions") or []}
        now = iso(time.time())
        for kind, state, reason, message in _HEALTHY:
            old = known.get(kind) or {}
            same = old.get("status") == state
            known[kind] = {
                "type": kind,
                "status": state,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": now,
                "lastTransitionTime": old.get("lastTransitionTime") if same else now,
            }
        return list(known.values())

    def _renew_lease(self) -> None:
        name = self._settings.node
        found = self._api.get(f"{_LEASES}/{name}")
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": _LEASE_SECONDS,
            "renewTime": iso_micro(time.time()),
        }
        if found:
            self._api.call("PUT", f"{_LEASES}/{name}", {**found, "spec": spec})
            return
        metadata = {"name": name, "namespace": "kube-node-lease"}
        about = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        self._api.call("POST", _LEASES, {**about, "metadata": metadata, "spec": spec})


def _differs(status: Json, before: Json) -> bool:
    """Whether there is more to tell than that the node still lives, which the lease says."""

    def told(one: Json) -> object:
        conditions = sorted((c["type"], c["status"]) for c in one.get("conditions") or [])
        names = ("capacity", "allocatable", "addresses", "daemonEndpoints", "images")
        return conditions, [one.get(name) for name in names]

    return told(status) != told(before)


def _architecture() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _node_info() -> Json:
    return {
        "architecture": _architecture(),
        "bootID": "",
        "containerRuntimeVersion": "containerd://2.1.0",
        "kernelVersion": os.uname().release,
        "kubeProxyVersion": "",
        "kubeletVersion": _VERSION,
        "machineID": "",
        "operatingSystem": "linux",
        "osImage": "Switchyard sandbox",
        "systemUUID": "",
    }
