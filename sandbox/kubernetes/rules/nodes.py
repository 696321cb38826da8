"""Nodes."""

from ..store import Object


def default_node(obj: Object) -> None:
    status = obj.setdefault("status", {})
    if "capacity" in status:
        status.setdefault("allocatable", dict(status["capacity"]))
