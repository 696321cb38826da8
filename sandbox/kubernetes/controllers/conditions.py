"""The conditions of a status."""

from typing import Any

from ..store import Object


def condition_of(obj: Object, kind: str) -> Object:
    """{} where there is none of this kind."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    none: dict[str, Any] = {}
    return next((c for c in conditions if c["type"] == kind), none)


def set_condition(obj: Object, condition: Object) -> bool:
    """Put a condition into a status; whether that says anything new. The time of the last
    transition stays when the value does."""
    conditions = obj.setdefault("status", {}).setdefault("conditions", [])
    known = next((c for c in conditions if c["type"] == condition["type"]), None)
    if known is None:
        conditions.append(condition)
        return True
    if known["status"] == condition["status"]:
        condition = {**condition, "lastTransitionTime": known.get("lastTransitionTime")}
    if known == condition:
        return False
    conditions[conditions.index(known)] = condition
    return True
