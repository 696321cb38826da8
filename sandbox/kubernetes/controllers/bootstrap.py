"""The namespaces that every cluster has."""

from ..cluster import Cluster
from ..objects import create
from ..resources import NAMESPACES

_NAMES = ("default", "kube-node-lease", "kube-public", "kube-system")


def bootstrap(cluster: Cluster) -> None:
    for name in _NAMES:
        if cluster.store.get("namespaces", "", name) is None:
            create(cluster, NAMESPACES, "", {"metadata": {"name": name}})
