"""Where everything of the cluster is: one folder, one bridge, one cgroup; no name of it is shared
with anything else on the machine, nor with a cluster of another number.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# Of nothing on this machine: nobody answers there, since nothing forwards for services.
SERVICES = "10.255.0.0/16"
FIRST_SERVICE = "10.255.0.1"
API_PORT = 6443
REGISTRY_PORT = 5000
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
KUBELET_HEALTH_PORT = 10248
NODE = "switchyard"
NAME = "switchyard-cluster"
MOST = 100


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders are all below `root`, which is a tmpfs: on some disks the kubelet finds no file
    system, and would never evict. Not below /run or /var/lib, which the node has of its own.
    `number` tells clusters apart that are up side by side.
    """

    root: Path
    number: int = 0

    @classmethod
    def numbered(cls, number: int) -> Self:
        return cls(root=Path("/srv", NAME if number == 0 else f"{NAME}-{number}"), number=number)

    @property
    def bridge(self) -> str:
        return f"switchyard{self.number}"

    @property
    def bridge_mac(self) -> str:
        """A bridge without one changes its address with each pod, and pods lose what they reach
        by it."""
        return f"0a:58:0a:{85 + self.number:02x}:00:01"

    @property
    def subnet(self) -> str:
        return f"10.{85 + self.number}.0.0/16"

    @property
    def first_pod_address(self) -> str:
        return f"10.{85 + self.number}.1.1"

    @property
    def address(self) -> str:
        """Of the machine, on the bridge: the node, the API server and the registry as pods see
        them."""
        return f"10.{85 + self.number}.0.1"

    @property
    def inner_address(self) -> str:
        """Of what no pod may reach. All of 127.0.0.0/8 is this machine, and nobody else listens
        here."""
        return f"127.{85 + self.number}.0.1"

    @property
    def cgroup(self) -> str:
        return self.root.name

    @property
    def registry(self) -> str:
        return f"{self.address}:{REGISTRY_PORT}"

    @property
    def api_url(self) -> str:
        return f"https://{self.address}:{API_PORT}"

    @property
    def etcd_url(self) -> str:
        return f"https://{self.inner_address}:{ETCD_PORT}"

    @property
    def busybox_image(self) -> str:
        """With a shell and all commands of busybox."""
        return f"{self.registry}/busybox:1"

    @property
    def pause_image(self) -> str:
        """Holds the namespaces of a pod and does nothing else."""
        return f"{self.registry}/pause:1"

    @property
    def kubeconfig(self) -> Path:
        """Of an administrator."""
        return self.root / "kubeconfig"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def containerd(self) -> Path:
        return self.root / "containerd"

    @property
    def containerd_socket(self) -> Path:
        return self.containerd / "containerd.sock"

    @property
    def kubelet(self) -> Path:
        return self.root / "kubelet"

    @property
    def ready(self) -> Path:
        """A file that is there once all of the cluster was seen to work."""
        return self.root / "ready"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"


def cache() -> Path:
    """Of what is built once: it outlives the cluster and the checkout."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / NAME
