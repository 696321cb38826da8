"""The parts of the cluster, and the command line of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.binaries import binary
from tests.cluster.layout import API_PORT, ETCD_PEER_PORT, NODE, SERVICES, Layout
from tests.cluster.packages import needed

# The default of 20 requests a second turns a burst of Jobs into minutes.
FAST_CLIENT = ["--kube-api-qps=500", "--kube-api-burst=1000"]
# Where the kubelet, containerd and the network plugins leave files, whatever they are told.
OF_THE_NODE_ALONE = ("/run", "/var/lib", "/var/log")
# The node has its own mounts: whatever a program of it mounts, or forgets to unmount, goes when
# its last process goes. Mounts of the machine still come in, none goes out. `/run` is where
# containerd puts the network namespaces of pods, which therefore go likewise.
NODE_SCRIPT = "; ".join(
    [
        "set -e",
        "mount --make-rshared /",
        *(f"mount -t tmpfs -o mode=0755 switchyard {folder}" for folder in OF_THE_NODE_ALONE),
        "mkdir -p /run/netns /run/lock /var/lib/cni /var/log/containers",
        'touch "$0"',
        "exec sleep infinity",
    ]
)


def node_is_made(layout: Layout) -> Path:
    return layout.root / "node"


def node_command(layout: Layout) -> list[str]:
    """Keeps the mount namespace of the node, whatever else of it is killed or restarted."""
    script = ["sh", "-c", NODE_SCRIPT, str(node_is_made(layout))]
    return [needed("unshare"), "--mount", "--propagation", "slave", *script]


@dataclass(frozen=True, kw_only=True)
class Program:
    """`command` gives it from the layout and the process id of the node."""

    part: str
    command: Callable[[Layout, int], list[str]]


def _in_node(node: int, *command: str) -> list[str]:
    return [needed("nsenter"), f"--mount=/proc/{node}/ns/mnt", *command]


def etcd(layout: Layout, node: int) -> list[str]:
    """Nothing has to outlive a power cut."""
    tls = {"cert-file": "etcd.crt", "key-file": "etcd.key", "trusted-ca-file": "ca.crt"}
    return [
        str(binary("etcd")),
        f"--data-dir={layout.root}/etcd",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls={layout.etcd_url}",
        f"--advertise-client-urls={layout.etcd_url}",
        f"--listen-peer-urls=http://{layout.inner_address}:{ETCD_PEER_PORT}",
        "--client-cert-auth",
        *(f"--{name}={layout.secrets / file}" for name, file in tls.items()),
    ]


def api_server(layout: Layout, node: int) -> list[str]:
    files = {
        "etcd-cafile": "ca.crt",
        "etcd-certfile": "kube-apiserver-client.crt",
        "etcd-keyfile": "kube-apiserver-client.key",
        "tls-cert-file": "kube-apiserver.crt",
        "tls-private-key-file": "kube-apiserver.key",
        "client-ca-file": "ca.crt",
        "kubelet-client-certificate": "kube-apiserver-client.crt",
        "kubelet-client-key": "kube-apiserver-client.key",
        "service-account-signing-key-file": "accounts.key",
        "service-account-key-file": "accounts.pub",
        "token-auth-file": "tokens.csv",
    }
    return [
        str(binary("kubernetes")),
        "kube-apiserver",
        f"--etcd-servers={layout.etcd_url}",
        f"--bind-address={layout.address}",
        f"--advertise-address={layout.address}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICES}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        # As managed clusters have it: a namespace refuses what is privileged, not the API itself.
        "--allow-privileged",
        # The default of five minutes is longer than most runs: none would see a version expire.
        "--etcd-compaction-interval=1m",
        *(f"--{name}={layout.secrets / file}" for name, file in files.items()),
    ]


def controller_manager(layout: Layout, node: int) -> list[str]:
    return [
        str(binary("kubernetes")),
        "kube-controller-manager",
        f"--kubeconfig={layout.secrets}/kube-controller-manager.kubeconfig",
        "--leader-elect=false",
        "--secure-port=0",
        f"--root-ca-file={layout.secrets}/ca.crt",
        f"--service-account-private-key-file={layout.secrets}/accounts.key",
        "--use-service-account-credentials",
        # A node is taken for lost after 20 s of silence; as it comes it is 50 s.
        "--node-monitor-grace-period=20s",
        "--node-monitor-period=2s",
        *FAST_CLIENT,
    ]


def scheduler(layout: Layout, node: int) -> list[str]:
    return [
        str(binary("kubernetes")),
        "kube-scheduler",
        f"--kubeconfig={layout.secrets}/kube-scheduler.kubeconfig",
        "--leader-elect=false",
        "--secure-port=0",
        *FAST_CLIENT,
    ]


def registry(layout: Layout, node: int) -> list[str]:
    return [needed("docker-registry"), "serve", f"{layout.config}/registry.yaml"]


def containerd(layout: Layout, node: int) -> list[str]:
    return _in_node(node, needed("containerd"), "--config", f"{layout.config}/containerd.toml")


def kubelet(layout: Layout, node: int) -> list[str]:
    return _in_node(
        node,
        str(binary("kubernetes")),
        "kubelet",
        f"--config={layout.config}/kubelet.yaml",
        f"--kubeconfig={layout.secrets}/kubelet.kubeconfig",
        f"--root-dir={layout.kubelet}",
        f"--cert-dir={layout.kubelet}/pki",
        f"--hostname-override={NODE}",
        f"--node-ip={layout.address}",
    )


ETCD = Program(part="etcd", command=etcd)
API_SERVER = Program(part="kube-apiserver", command=api_server)
CONTROLLER_MANAGER = Program(part="kube-controller-manager", command=controller_manager)
SCHEDULER = Program(part="kube-scheduler", command=scheduler)
REGISTRY_SERVER = Program(part="docker-registry", command=registry)
CONTAINERD = Program(part="containerd", command=containerd)
KUBELET = Program(part="kubelet", command=kubelet)
NODE_PART = "node"
