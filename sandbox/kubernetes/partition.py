"""A node that is cut off: what its kubelet says does not arrive, and it hears nothing."""

from .api.routing import Target
from .cluster import Cluster
from .controllers.nodes import LEASES
from .wire import Request


def cut_off_node(cluster: Cluster, request: Request, target: Target) -> bool:
    """Whether this is a call of the kubelet of a node that is lost. It is told by what it does:
    nobody else renews a node's Lease, posts its status or that of its pods, confirms that a pod is
    gone, or follows the pods of one node."""
    return cluster.faults.node_lost(_node_behind(cluster, request, target))


def _node_behind(cluster: Cluster, request: Request, target: Target) -> str:
    plural, writes = target.resource.plural, target.verb in ("create", "update", "patch")
    if plural == "leases" and target.namespace == LEASES:
        return target.name
    if plural == "nodes" and (writes or target.sub == "status"):
        return target.name
    if plural != "pods":
        return ""
    if target.verb in ("list", "watch"):
        return watched_node(request)
    if target.sub == "status" or target.verb == "delete":
        pod = cluster.store.get("pods", target.namespace, target.name)
        if pod is None or (target.verb == "delete" and not pod.meta.get("deletionTimestamp")):
            return ""
        return str(pod.obj["spec"].get("nodeName", ""))
    return ""


def watched_node(request: Request) -> str:
    """The node that a fieldSelector asks for."""
    for part in request.query.get("fieldSelector", "").split(","):
        name, _, value = part.partition("=")
        if name == "spec.nodeName":
            return value.lstrip("=")
    return ""
