"""Setting the weight: append-only, with actor and reason."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from dispatch.models import AuditEntry, Rollout, TrafficSplit
from dispatch.routing import BUCKETS


class WeightRefused(Exception):
    """The weight cannot be set; the message names the field and the remedy."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts. kind: person, token, guardrail or scheduler."""

    name: str
    kind: str


def set_weight(weight: int, *, actor: Actor, reason: str) -> TrafficSplit:
    """Append a TrafficSplit, opening a Rollout where none is open. Raises WeightRefused."""
    _check(weight, reason)
    with transaction.atomic():
        rollout = _open_rollout()
        before = rollout.splits.order_by("-id").first()
        split = TrafficSplit.objects.create(
            rollout=rollout, weight=weight, actor=actor.name, actor_kind=actor.kind, reason=reason
        )
        AuditEntry.objects.create(
            actor=actor.name,
            actor_kind=actor.kind,
            action="weight.set",
            subject=f"rollout {rollout.pk}",
            before={"weight": before.weight if before else None},
            after={"weight": weight, "configuration_version": split.pk},
            reason=reason,
        )
        return split


def _check(weight: int, reason: str) -> None:
    if not 0 <= weight <= BUCKETS:
        message = f"{weight} is no weight: use a whole number from 0 to {BUCKETS} (100 %)."
        raise WeightRefused("weight", message)
    if not reason.strip():
        raise WeightRefused("reason", "Say why the weight changes: the reason is empty.")
    missing = [name for name in settings.ROLLOUT.values() if name not in settings.BACKENDS]
    if weight and missing:
        names = ", ".join(missing)
        message = f"Only 0 is possible while {names} is not configured in BACKENDS."
        raise WeightRefused("weight", message)


def _open_rollout() -> Rollout:
    """The open one, or a new one; of two opened at the same moment, one is kept."""
    for _ in range(2):
        rollout = Rollout.objects.filter(closed_at=None).first()
        if rollout:
            return rollout
        new = Rollout(
            salt=secrets.token_hex(16),
            old_backend=settings.ROLLOUT["old"],
            new_backend=settings.ROLLOUT["new"],
        )
        Rollout.objects.bulk_create([new], ignore_conflicts=True)
    return Rollout.objects.get(closed_at=None)


@dataclass(frozen=True, kw_only=True)
class WeightChange:
    """An entry of the weight history, and the weight that was in force before it."""

    before: int
    entry: TrafficSplit


def weight_before(moment: datetime) -> int:
    """The weight that was in force until then, whichever Rollout it belonged to; 0 before any."""
    entry = TrafficSplit.objects.filter(at__lt=moment).order_by("-id").first()
    return entry.weight if entry else 0


def weight_changes(since: datetime, until: datetime) -> list[WeightChange]:
    """The entries of [since, until), oldest first, each beside what it replaced."""
    entries = list(TrafficSplit.objects.filter(at__gte=since, at__lt=until).order_by("id"))
    weights = [weight_before(since), *(entry.weight for entry in entries)]
    return [
        WeightChange(before=weight, entry=entry)
        for weight, entry in zip(weights, entries, strict=False)
    ]
