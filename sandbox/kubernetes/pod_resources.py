"""What a pod asks for in all."""

from collections.abc import Mapping
from decimal import Decimal

from . import quantity
from .store import Object

Amounts = dict[str, Decimal]


def requests_of(spec: Object) -> Amounts:
    """What a pod asks of its node: the larger of its containers with its sidecars, and of each init
    container with the sidecars that run before it."""
    return _total(spec, "requests")


def limits_of(spec: Object) -> Amounts:
    return _total(spec, "limits")


def _total(spec: Object, group: str) -> Amounts:
    running, sidecars, peak = Amounts(), Amounts(), Amounts()
    for container in spec.get("containers") or ():
        running = add(running, _of(container, group))
    for container in spec.get("initContainers") or ():
        own = _of(container, group)
        if container.get("restartPolicy") == "Always":
            sidecars = add(sidecars, own)
            peak = _largest(peak, sidecars)
        else:
            peak = _largest(peak, add(sidecars, own))
    overhead = {name: quantity.parse(text) for name, text in (spec.get("overhead") or {}).items()}
    return add(_largest(add(running, sidecars), peak), overhead)


def _of(container: Object, group: str) -> Amounts:
    amounts = (container.get("resources") or {}).get(group) or {}
    return {name: quantity.parse(text) for name, text in amounts.items()}


def add(left: Mapping[str, Decimal], right: Mapping[str, Decimal]) -> Amounts:
    zero = Decimal(0)
    return {name: left.get(name, zero) + right.get(name, zero) for name in {**left, **right}}


def _largest(left: Mapping[str, Decimal], right: Mapping[str, Decimal]) -> Amounts:
    zero = Decimal(0)
    return {name: max(left.get(name, zero), right.get(name, zero)) for name in {**left, **right}}
