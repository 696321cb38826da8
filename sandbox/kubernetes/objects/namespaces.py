"""Nothing is created in a namespace that is not there, or on its way out."""

from ..cluster import Cluster
from ..errors import forbidden, not_found
from ..resources import NAMESPACES, Resource


def check_namespace(cluster: Cluster, resource: Resource, namespace: str, name: str) -> None:
    """Raises 404 or 403."""
    if not resource.namespaced:
        return
    found = cluster.store.get("namespaces", "", namespace)
    if found is None:
        raise not_found(NAMESPACES, namespace)
    if found.obj.get("status", {}).get("phase") == "Terminating":
        why = (
            f"unable to create new content in namespace {namespace} because it is being terminated"
        )
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
        raise forbidden(resource, name, why, [cause])
