"""A second real node beside the one of our cluster, for tests that take nodes away: it has a
kubelet, a containerd and mounts of its own, and nothing runs there that does not ask for it.

Its processes carry the mark of their cluster, so `make cluster-down` finds them too.
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import machine, processes, programs
from tests.cluster.binaries import binary
from tests.cluster.config_files import containerd_config, kubelet_config
from tests.cluster.errors import ClusterError, tail
from tests.cluster.layout import Layout
from tests.cluster.packages import needed
from tests.conformance.cluster import MERGE, NODES, Cluster

Json = dict[str, Any]
SECONDS = 90.0
# Of a cluster at the same time: tests run side by side.
NUMBERS = range(2, 8)
LABEL = "switchyard-test-node"
RUNTIME_CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"


@dataclass(frozen=True, kw_only=True)
class NodeLayout(Layout):
    """Where the node has its own things; the rest is where the cluster has it."""

    main: Layout
    index: int

    @property
    def name(self) -> str:
        return f"switchyard-{self.index}"

    @property
    def address(self) -> str:
        return f"{self.main.address.rpartition('.')[0]}.{self.index}"

    @property
    def inner_address(self) -> str:
        return f"{self.main.inner_address.rpartition('.')[0]}.{self.index}"

    @property
    def registry(self) -> str:
        return self.main.registry

    @property
    def cgroup(self) -> str:
        return f"{self.main.cgroup}/{self.name}"

    @property
    def secrets(self) -> Path:
        return self.main.secrets

    @property
    def config(self) -> Path:
        return self.main.config

    def part(self, name: str) -> str:
        return f"{name}-{self.index}"


@dataclass(frozen=True, kw_only=True)
class Node:
    """Pods with the RuntimeClass of the node's name run there, and no others."""

    layout: NodeLayout
    cluster: Cluster

    @property
    def name(self) -> str:
        return self.layout.name

    # Taking it away ---------------------------------------------------------------------------

    def kill_kubelet(self) -> None:
        """Containers run on."""
        self._end(self.layout.part("kubelet"))

    def kill_containers(self, pod: Json) -> None:
        """All processes of one pod, as if the machine had lost its power."""
        assert self.processes_of(pod)
        processes.end(lambda: self.processes_of(pod))

    def processes_of(self, pod: Json) -> set[int]:
        """Of all its containers, and the one that keeps the pod's namespaces and does nothing."""
        wanted = f"pod{pod['metadata']['uid']}"
        # Not by glob, which fails where a cgroup goes while it is looked through.
        walks = (os.walk(root) for root in machine.cgroups(self.layout))
        return processes.of_cgroups(
            Path(path) for walk in walks for path, _, _ in walk if wanted in Path(path).name
        )

    def start_kubelet(self) -> None:
        """Returns when pods are placed here."""
        self._start("kubelet", _kubelet_command)
        self._wait("kubelet", self.is_ready)

    @contextmanager
    def closed_to_new_pods(self) -> Iterator[None]:
        self._cordon(True)
        try:
            yield
        finally:
            self._cordon(False)

    # What the API server says of it -----------------------------------------------------------

    def ready(self) -> str:
        """True, False or Unknown."""
        status = self.cluster.must("GET", self._path)["status"]
        conditions = {item["type"]: item["status"] for item in status.get("conditions", ())}
        return str(conditions.get("Ready", ""))

    def is_ready(self) -> bool:
        answer = self.cluster.call("GET", self._path)
        if answer.status != 200 or self.ready() != "True":
            return False
        return {taint["key"] for taint in answer.body["spec"].get("taints") or ()} == {LABEL}

    # Its life ---------------------------------------------------------------------------------

    def make(self) -> None:
        self.remove()
        self.layout.root.mkdir(parents=True)
        for folder in (self.layout.containerd, self.layout.kubelet):
            folder.mkdir()
        machine.make_cgroups(self.layout)
        length = self.layout.subnet.partition("/")[2]
        address = f"{self.layout.address}/{length}"
        machine.run("ip", "address", "replace", address, "dev", self.layout.bridge)
        (self.layout.root / "containerd.toml").write_text(containerd_config(self.layout))
        (self.layout.root / "kubelet.yaml").write_text(kubelet_config(self.layout))
        made = programs.node_is_made(self.layout)
        processes.start(
            self.layout.main, self.layout.part("node"), programs.node_command(self.layout)
        )
        self._wait("node", made.exists)
        self._start("containerd", _containerd_command)
        self._wait("containerd", self.layout.containerd_socket.exists)
        self._make_runtime_class()
        self.start_kubelet()

    def remove(self) -> None:
        """May be repeated, also of what an earlier run has left."""
        with contextlib.suppress(AssertionError):
            self.cluster.call("DELETE", f"{RUNTIME_CLASSES}/{self.name}")
        self._end(*map(self.layout.part, ("kubelet", "containerd", "node")))
        processes.end(lambda: processes.of_cgroups(machine.cgroups(self.layout)))
        machine.remove_cgroups(self.layout)
        self.cluster.call("DELETE", self._path)
        with contextlib.suppress(ClusterError):
            length = self.layout.subnet.partition("/")[2]
            address = f"{self.layout.address}/{length}"
            machine.run("ip", "address", "delete", address, "dev", self.layout.bridge)
        shutil.rmtree(self.layout.root, ignore_errors=True)

    @property
    def _path(self) -> str:
        return f"{NODES}/{self.name}"

    def _cordon(self, value: bool) -> None:
        self.cluster.must("PATCH", self._path, {"spec": {"unschedulable": value}}, kind=MERGE)

    def _make_runtime_class(self) -> None:
        """It puts a selector and a toleration into each pod that names it."""
        scheduling = {
            "nodeSelector": {LABEL: self.name},
            "tolerations": [{"key": LABEL, "operator": "Exists", "effect": "NoSchedule"}],
        }
        body = {"metadata": {"name": self.name}, "handler": "runc", "scheduling": scheduling}
        self.cluster.must("POST", RUNTIME_CLASSES, body)

    def _start(self, name: str, command: Callable[[NodeLayout], list[str]]) -> None:
        pid = processes.running(self.layout.main)[self.layout.part("node")]
        inside = [needed("nsenter"), f"--mount=/proc/{pid}/ns/mnt", *command(self.layout)]
        processes.start(self.layout.main, self.layout.part(name), inside)

    def _end(self, *parts: str) -> None:
        def found() -> list[int]:
            marked = processes.marked(self.layout.main)
            return [pid for pid, part in marked.items() if part in parts]

        processes.end(found)

    def _wait(self, name: str, is_there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not is_there():
            if time.monotonic() > deadline:
                log = self.layout.main.log(self.layout.part(name))
                raise ClusterError(f"{name} was not ready after {SECONDS:g} s.\n{tail(log)}")
            time.sleep(0.05)


@contextmanager
def second_node(main: Layout) -> Iterator[Node]:
    """One of its own for whoever asks. What ran there has to be gone before the end."""
    with _free_index(main) as index:
        root = main.root / "nodes" / str(index)
        layout = NodeLayout(root=root, number=main.number, main=main, index=index)
        node = Node(layout=layout, cluster=Cluster.of(main.kubeconfig))
        try:
            node.make()
            yield node
        finally:
            node.remove()


@contextmanager
def _free_index(main: Layout) -> Iterator[int]:
    """The kernel gives it back when we are killed."""
    folder = main.root / "nodes"
    folder.mkdir(exist_ok=True)
    for index in NUMBERS:
        with (folder / f"{index}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield index
            return
    raise ClusterError("There are no more nodes to be had.")


def _containerd_command(layout: NodeLayout) -> list[str]:
    return [needed("containerd"), "--config", f"{layout.root}/containerd.toml"]


def _kubelet_command(layout: NodeLayout) -> list[str]:
    """In a zone of its own: where many of a zone are silent, the controllers evict nothing."""
    labels = {LABEL: layout.name, "topology.kubernetes.io/zone": layout.name}
    return [
        str(binary("kubernetes")),
        "kubelet",
        f"--config={layout.root}/kubelet.yaml",
        # An administrator's: the cluster's authority is gone, and nothing here depends on rights.
        f"--kubeconfig={layout.main.kubeconfig}",
        f"--root-dir={layout.kubelet}",
        f"--cert-dir={layout.kubelet}/pki",
        f"--hostname-override={layout.name}",
        f"--node-ip={layout.address}",
        f"--node-labels={','.join(f'{name}={value}' for name, value in labels.items())}",
        f"--register-with-taints={LABEL}=:NoSchedule",
    ]
