"""Whether a pod fits a node, and why not, in the scheduler's words."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from .. import quantity
from ..pod_resources import Amounts, requests_of
from ..selectors import matches_selector
from ..store import Object, Version


def allocatable(node: Version) -> Amounts:
    amounts = node.obj["status"].get("allocatable") or {}
    return {name: quantity.parse(text) for name, text in amounts.items()}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a node does not take a pod. `may_empty`: it might, with fewer pods on it."""

    reasons: tuple[str, ...]
    may_empty: bool = False


FITS = Refusal(reasons=())


def why_not(pod: Version, node: Version, used: Amounts, pods: int) -> Refusal:
    """FITS when it fits. `used` and `pods`: what the node has taken on already."""
    spec = pod.obj["spec"]
    tolerations = spec.get("tolerations") or []
    if node.obj["spec"].get("unschedulable") and not _tolerates(tolerations, _UNSCHEDULABLE):
        return Refusal(reasons=("node(s) were unschedulable",))
    for taint in node.obj["spec"].get("taints") or ():
        if taint["effect"] != "PreferNoSchedule" and not _tolerates(tolerations, taint):
            shown = f"{taint['key']}: {taint.get('value', '')}"
            return Refusal(reasons=(f"node(s) had untolerated taint {{{shown}}}",))
    if not _selected(spec, node):
        return Refusal(reasons=("node(s) didn't match Pod's node affinity/selector",))
    return _lacking(requests_of(spec), allocatable(node), used, pods)


_UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def _tolerates(tolerations: Iterable[Object], taint: Object) -> bool:
    return any(tolerates(toleration, taint) for toleration in tolerations)


def tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("value", "") == taint.get("value", ""))


def _selected(spec: Object, node: Version) -> bool:
    labels = node.meta.get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    needed = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not needed:
        return True
    return any(matches_selector(term, labels) for term in needed.get("nodeSelectorTerms") or ())


def _lacking(wanted: Amounts, has: Amounts, used: Amounts, pods: int) -> Refusal:
    zero, most = Decimal(0), has.get("pods", Decimal(0))
    reasons = ["Too many pods"] if pods + 1 > most else []
    too_large = most < 1
    for name, amount in wanted.items():
        if amount and amount > has.get(name, zero) - used.get(name, zero):
            reasons.append(f"Insufficient {name}")
            too_large = too_large or amount > has.get(name, zero)
    return Refusal(reasons=tuple(reasons), may_empty=not too_large) if reasons else FITS
