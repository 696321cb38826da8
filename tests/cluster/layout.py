"""Where everything of the cluster is: one folder, one bridge, one cgroup; no name of it is shared
with anything else on the machine.
"""

import os
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "switchyard0"
# A bridge without one changes its address with each pod, and pods lose what they reach by it.
BRIDGE_MAC = "0a:58:0a:55:00:01"
SUBNET = "10.85.0.0/16"
# Of the machine, on the bridge: of the node, the API server and the registry, as pods see them.
ADDRESS = "10.85.0.1"
SERVICES = "10.86.0.0/16"
# Of what no pod may reach. All of 127.0.0.0/8 is this machine, and nobody else listens here.
INNER_ADDRESS = "127.85.0.1"
API_PORT = 6443
REGISTRY_PORT = 5000
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
KUBELET_HEALTH_PORT = 10248

REGISTRY = f"{ADDRESS}:{REGISTRY_PORT}"
API_URL = f"https://{ADDRESS}:{API_PORT}"
ETCD_URL = f"https://{INNER_ADDRESS}:{ETCD_PORT}"

CGROUP = "switchyard-cluster"
NODE = "switchyard"
BUSYBOX_IMAGE = f"{REGISTRY}/busybox:1"
# Holds the namespaces of a pod and does nothing else.
PAUSE_IMAGE = f"{REGISTRY}/pause:1"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders, all below `root`, which is a tmpfs: on some disks the kubelet finds no file
    system, and would never evict. Not below /run or /var/lib, which the node has of its own.
    """

    root: Path = Path("/srv/switchyard-cluster")

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
    return Path(base) / "switchyard-cluster"
