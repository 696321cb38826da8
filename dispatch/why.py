"""The story of one routing decision, recomputed from what is stored and from nothing else."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from dispatch import routing
from dispatch.models import SuiteRun, TrafficSplit
from dispatch.placement import DECISION_COLUMNS
from dispatch.routing import Decision, Split

Columns = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Story:
    """What is stored of a decision, what comes out again, and where the two differ.

    `doubts` are sentences; none = the decision can be explained.
    """

    stored: Columns
    recomputed: Columns
    doubts: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return not self.doubts


def explain(suite_run: SuiteRun) -> Story:
    stored = {name: getattr(suite_run, name) for name in DECISION_COLUMNS}
    entry = _entry(suite_run)
    decision = recompute(suite_run, entry)
    recomputed = {name: getattr(decision, name) for name in DECISION_COLUMNS}
    differing = [name for name in DECISION_COLUMNS if stored[name] != recomputed[name]]
    doubts = [f"{n}: stored {stored[n]!r}, recomputed {recomputed[n]!r}" for n in differing]
    return Story(
        stored=stored,
        recomputed=recomputed,
        doubts=(*doubts, *_history_doubts(suite_run, entry)),
    )


def recompute(suite_run: SuiteRun, entry: TrafficSplit | None) -> Decision:
    """Decide again by the rules, from the stored weight, salt and refusals."""
    old, new = _pair(suite_run, entry)
    split = Split(
        old=old,
        new=new,
        salt=suite_run.salt,
        weight=suite_run.weight or 0,
        version=suite_run.configuration_version,
    )
    return routing.decide(split, suite_run.suite_run_id, _refusals(suite_run, old, new))


def _pair(suite_run: SuiteRun, entry: TrafficSplit | None) -> tuple[str, str]:
    """The old and the new backend, as the Rollout names them. Where there was nothing to choose
    (rules `only` and `none`) they took no part."""
    if suite_run.rule in ("only", "none"):
        return "", ""
    if entry:
        return entry.rollout.old_backend, entry.rollout.new_backend
    return settings.ROLLOUT["old"], settings.ROLLOUT["new"]


def _entry(suite_run: SuiteRun) -> TrafficSplit | None:
    rows = TrafficSplit.objects.select_related("rollout")
    return rows.filter(pk=suite_run.configuration_version or 0).first()


def _refusals(suite_run: SuiteRun, old: str, new: str) -> dict[str, tuple[str, ...]]:
    """What each backend that took part said, as `reasons` tells it: "name: reason"."""
    said = [reason.partition(": ")[::2] for reason in suite_run.reasons]
    chosen = () if old else (suite_run.backend,)
    names = dict.fromkeys(name for name in (*chosen, old, new, *(who for who, _ in said)) if name)
    return {name: tuple(why for who, why in said if who == name) for name in names}


def _history_doubts(suite_run: SuiteRun, entry: TrafficSplit | None) -> list[str]:
    """Whether the configuration version is one that there was, with this weight and salt."""
    version = suite_run.configuration_version
    if version is None:
        invented = suite_run.weight or suite_run.salt
        return ["configuration_version: a weight or salt without one"] if invented else []
    if entry is None:
        return [f"configuration_version: there is no entry {version} in the weight's history"]
    found = {"weight": entry.weight, "salt": entry.rollout.salt}
    stored = {"weight": suite_run.weight, "salt": suite_run.salt}
    return [
        f"{name}: stored {stored[name]!r}, but entry {version} of the history has {found[name]!r}"
        for name in found
        if found[name] != stored[name]
    ]
