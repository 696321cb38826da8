"""The files that the parts of the cluster read. What gives a text is pure; `write_all` writes."""

import base64
import json
import secrets
from typing import Any

import yaml

from tests.cluster.certificates import Authority, Pair, new_key, private_text, public_text
from tests.cluster.layout import FIRST_SERVICE, KUBELET_HEALTH_PORT, NAME, NODE, Layout

# Its first address of the range of services has the last name.
API_NAMES = ("localhost", FIRST_SERVICE, "kubernetes.default.svc")
CLIENTS = {
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    # The API server as the kubelet sees it.
    "kube-apiserver-client": ("kube-apiserver", "system:masters"),
}


def write_all(layout: Layout) -> None:
    """Secrets are new each time: no cluster can be reached with what an earlier one gave out."""
    for folder in (layout.secrets, layout.config, layout.logs, layout.containerd, layout.kubelet):
        folder.mkdir(exist_ok=True)
    layout.secrets.chmod(0o700)
    authority = Authority()
    _write_secrets(layout, authority)
    cni = layout.config / "cni"
    cni.mkdir(exist_ok=True)
    (cni / "10-switchyard.conflist").write_text(cni_config(layout))
    hosts = layout.config / "registries" / layout.registry
    hosts.mkdir(parents=True, exist_ok=True)
    (hosts / "hosts.toml").write_text(registry_hosts(layout))
    (layout.config / "containerd.toml").write_text(containerd_config(layout))
    (layout.config / "kubelet.yaml").write_text(kubelet_config(layout))
    (layout.config / "registry.yaml").write_text(registry_config(layout))


def _write_secrets(layout: Layout, authority: Authority) -> None:
    def keep(name: str, text: str) -> None:
        (layout.secrets / name).write_text(text)

    def keep_pair(name: str, pair: Pair) -> None:
        keep(f"{name}.key", pair.key)
        keep(f"{name}.crt", pair.certificate)

    keep("ca.crt", authority.certificate)
    accounts = new_key()
    keep("accounts.key", private_text(accounts))
    keep("accounts.pub", public_text(accounts))
    keep_pair(
        "kube-apiserver", authority.issue("kube-apiserver", addresses=(layout.address, *API_NAMES))
    )
    keep_pair("etcd", authority.issue("etcd", addresses=(layout.inner_address,)))
    for part, (name, group) in CLIENTS.items():
        pair = authority.issue(name, group)
        keep_pair(part, pair)
        keep(f"{part}.kubeconfig", kubeconfig(layout, authority, certificate_user(pair)))
    token = secrets.token_urlsafe(24)
    keep("tokens.csv", f'{token},admin,admin,"system:masters"\n')
    layout.kubeconfig.touch(mode=0o600)
    layout.kubeconfig.write_text(kubeconfig(layout, authority, {"token": token}))


def kubeconfig(layout: Layout, authority: Authority, user: dict[str, str]) -> str:
    """`user`: how it shows who it is."""
    place = {"server": layout.api_url, "certificate-authority-data": _base64(authority.certificate)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": place}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": "user"}}],
        "current-context": NAME,
    }
    return yaml.safe_dump(config, sort_keys=False)


def certificate_user(pair: Pair) -> dict[str, str]:
    return {
        "client-certificate-data": _base64(pair.certificate),
        "client-key-data": _base64(pair.key),
    }


def cni_config(layout: Layout) -> str:
    """The bridge has its address already; no packet leaves the machine, since nothing forwards."""
    addresses = {
        "type": "host-local",
        "dataDir": str(layout.root / "addresses"),
        "ranges": [
            [
                {
                    "subnet": layout.subnet,
                    "rangeStart": layout.first_pod_address,
                    "gateway": layout.address,
                }
            ]
        ],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": layout.bridge, "isGateway": False, "ipam": addresses}
    config = {"cniVersion": "0.4.0", "name": layout.cgroup, "plugins": [bridge]}
    return json.dumps(config, indent=2)


def containerd_config(layout: Layout) -> str:
    """restrict_oom_score_adj: in some sandboxes even root may not lower a score."""
    folder = layout.containerd
    return f"""\
version = 2
root = "{folder}/root"
state = "{folder}/state"

[grpc]
address = "{layout.containerd_socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{layout.pause_image}"
restrict_oom_score_adj = true
# There is no address that a port of a pod could be forwarded from.
stream_server_address = "{layout.inner_address}"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{layout.config}/registries"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{layout.config}/cni"
"""


def registry_hosts(layout: Layout) -> str:
    return f"""\
server = "http://{layout.registry}"

[host."http://{layout.registry}"]
capabilities = ["pull", "resolve"]
"""


def registry_config(layout: Layout) -> str:
    config = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {
            "filesystem": {"rootdirectory": str(layout.root / "registry")},
            "delete": {"enabled": True},
        },
        "http": {"addr": layout.registry},
    }
    return yaml.safe_dump(config, sort_keys=False)


def kubelet_config(layout: Layout) -> str:
    config: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": layout.address,
        "readOnlyPort": 0,
        "healthzBindAddress": layout.inner_address,
        "healthzPort": KUBELET_HEALTH_PORT,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.secrets / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup}",
        "failSwapOn": False,
        # A sign of life every 3 s: the controllers here lose patience sooner than elsewhere.
        "nodeLeaseDurationSeconds": 12,
        "nodeStatusUpdateFrequency": "4s",
        # Nothing here has a service address, so nothing has to be said to the packet filter.
        "makeIPTablesUtilChains": False,
        "resolvConf": "",
        "podLogsDir": str(layout.root / "pod-logs"),
        "volumePluginDir": str(layout.kubelet / "plugins"),
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "2%",
            "imagefs.available": "2%",
        },
        # Images are made here and pushed by tests: none goes by itself while the cluster is up.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "registryPullQPS": 0,
        "serializeImagePulls": False,
    }
    return yaml.safe_dump(config, sort_keys=False)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
