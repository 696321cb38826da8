"""Shows or sets the share of new suite runs that goes to the new backend."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dispatch.models import TrafficSplit
from dispatch.rollout import Actor, WeightRefused, set_weight
from dispatch.routing import BUCKETS, current_split


class Command(BaseCommand):
    help = f"Show the weight in force, or set it: 0 to {BUCKETS}, in thousandths of a percent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--set", type=int, metavar="WEIGHT", help="the new weight")
        parser.add_argument("--reason", help="why; needed with --set")
        parser.add_argument("--actor", help="who; needed with --set")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *arguments: Any, **options: Any) -> None:
        if options["set"] is not None:
            _set(options["set"], options["actor"] or "", options["reason"] or "")
        elif options["reason"] or options["actor"]:
            raise CommandError("--set: give the new weight along with --reason and --actor.")
        facts = _facts()
        self.stdout.write(json.dumps(facts) if options["json"] else _sentence(facts))


def _set(weight: int, actor: str, reason: str) -> None:
    if not actor.strip() or len(actor) > 150:
        raise CommandError("--actor: give a name of 1 to 150 characters.")
    try:
        set_weight(weight, actor=Actor(name=actor, kind="person"), reason=reason)
    except WeightRefused as refusal:
        option = {"weight": "--set"}.get(refusal.field, f"--{refusal.field}")
        raise CommandError(f"{option}: {refusal}") from None


def _facts() -> dict[str, Any]:
    split = current_split()
    entry = TrafficSplit.objects.filter(pk=split.version or 0).first()
    return {
        "weight": split.weight,
        "old_backend": split.old,
        "new_backend": split.new,
        "configuration_version": split.version,
        "actor": entry.actor if entry else None,
        "reason": entry.reason if entry else None,
        "at": entry.at.isoformat() if entry else None,
    }


def _sentence(facts: dict[str, Any]) -> str:
    percent = facts["weight"] * 100 / BUCKETS
    share = f"{facts['weight']} ({percent:.3f} %) to {facts['new_backend']}, the rest to "
    if facts["configuration_version"] is None:
        return f"{share}{facts['old_backend']}. Nobody has set a weight yet."
    who = f"Version {facts['configuration_version']}, set by {facts['actor']} at {facts['at']}"
    return f"{share}{facts['old_backend']}. {who}: {facts['reason']}"
