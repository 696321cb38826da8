"""Pods and pod templates."""

from ..cluster import Cluster
from ..errors import FieldError
from ..store import Object


def default_pod(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in [*spec.get("initContainers", ()), *spec.get("containers", ())]:
        resources = container.get("resources") or {}
        for name, amount in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, amount)


def default_pod_spec(spec: Object) -> None:
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("schedulerName", "default-scheduler")
    if name := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def prepare_pod(cluster: Cluster, obj: Object) -> None:
    obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}


def validate_pod(obj: Object) -> list[FieldError]:
    return []


def validate_pod_update(obj: Object, old: Object) -> list[FieldError]:
    return []
