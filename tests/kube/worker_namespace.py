"""The namespace of ops/kubernetes, made on a cluster under another name: with all that is in that
file, and a kubeconfig of its account.
"""

from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.conformance.cluster import Cluster, Json

FILE = Path(__file__).resolve().parents[2] / "ops" / "kubernetes" / "worker-namespace.yaml"
NAMESPACE, NODE_READER = "switchyard-workers", "switchyard-nodes"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PLACES = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Role": f"{RBAC}/namespaces/{{}}/roles",
    "RoleBinding": f"{RBAC}/namespaces/{{}}/rolebindings",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
    "LimitRange": "/api/v1/namespaces/{}/limitranges",
}
TOKEN_SECONDS = 4 * 3600


def objects(namespace: str) -> Iterator[Json]:
    """What is not in the namespace has its name behind its own."""
    text = FILE.read_text().replace(NODE_READER, f"{NODE_READER}-{namespace}")
    return (item for item in yaml.safe_load_all(text.replace(NAMESPACE, namespace)) if item)


def make_worker_namespace(cluster: Cluster, namespace: str) -> None:
    """Returns when pods can be made there."""
    for item in objects(namespace):
        cluster.must("POST", PLACES[item["kind"]].format(namespace), item, fieldValidation="Strict")
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    cluster.wait(lambda: cluster.call("GET", account).status == 200)


def drop_worker_namespace(cluster: Cluster, namespace: str) -> None:
    """May be repeated. Pods of a node that has no kubelet are for who made it to remove."""
    for item in objects(namespace):
        if item["kind"] in ("Namespace", "ClusterRole", "ClusterRoleBinding"):
            cluster.call("DELETE", f"{PLACES[item['kind']]}/{item['metadata']['name']}")


def write_account_kubeconfig(cluster: Cluster, namespace: str, file: Path) -> None:
    """Of the account `switchyard` there: what the control plane is given."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/switchyard/token"
    wanted = {"spec": {"expirationSeconds": TOKEN_SECONDS}}
    token = cluster.must("POST", path, wanted)["status"]["token"]
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    (context,) = (c for c in config["contexts"] if c["name"] == config["current-context"])
    users = [{"name": "switchyard", "user": {"token": token}}]
    contexts = [{**context, "context": {**context["context"], "user": "switchyard"}}]
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump({**config, "users": users, "contexts": contexts}))
