"""Nodes."""

from .. import quantity
from ..cluster import Cluster
from ..store import Object


def default_node(obj: Object) -> None:
    status = obj.setdefault("status", {})
    if "capacity" in status:
        status.setdefault("allocatable", dict(status["capacity"]))
    for amounts in (status.get("capacity"), status.get("allocatable")):
        for name, text in (amounts or {}).items():
            amounts[name] = quantity.canonical(text)


def prepare_node(cluster: Cluster, obj: Object) -> None:
    labels = obj["metadata"].setdefault("labels", {})
    labels.setdefault("kubernetes.io/hostname", obj["metadata"].get("name", ""))
