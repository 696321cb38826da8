"""Faults on demand: which rules strike what happens now. Rules and their counters are stored, so a
restart goes on where it was."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .fault_rules import AFTER, BEFORE, OF_LIST, OF_WATCH, BadRule, Rule, parse_rule
from .store import Store
from .wire import Request


@dataclass(frozen=True, kw_only=True)
class Strike:
    """A rule that fires now, with the seconds drawn for this time."""

    rule: Rule
    seconds: float

    @property
    def kind(self) -> str:
        return self.rule.kind


@dataclass
class _Armed:
    rule: Rule
    raw: Mapping[str, Any]
    seen: int = 0
    fired: int = 0

    def strikes(self) -> bool:
        """Count one more matching call; whether it is hit."""
        rule = self.rule
        self.seen += 1
        spent = rule.count is not None and self.fired >= rule.count
        hit = self.seen > rule.after and not spent and rule.draw(self.seen) < rule.probability
        self.fired += hit
        return hit

    def strike(self) -> Strike:
        seconds = self.rule.seconds.draw(f"{self.rule.seed}:{self.seen}:seconds")
        return Strike(rule=self.rule, seconds=seconds)


class Faults:
    """`changed` is called after the rules were replaced."""

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._seed = seed
        stored = json.loads(store.meta("faults") or "[]")
        self._armed = [_Armed(parse_rule(raw), raw, seen, fired) for raw, seen, fired in stored]
        self.changed: list[Callable[[], None]] = []

    def replace(self, raw: object) -> None:
        """Put these rules in place of all others, counters at 0. Raises BadRule."""
        if not isinstance(raw, list):
            raise BadRule("faults are a JSON list of rules")
        seeded = [
            {"seed": f"{self._seed}-{i}", **r} if isinstance(r, dict) else r
            for i, r in enumerate(raw)
        ]
        self._armed = [_Armed(parse_rule(r, f"rule {i + 1}: "), r) for i, r in enumerate(seeded)]
        self._save()
        for call in self.changed:
            call()

    def describe(self) -> list[dict[str, Any]]:
        return [{**one.raw, "seen": one.seen, "fired": one.fired} for one in self._armed]

    def of_call(self, request: Request, verb: str) -> list[Strike]:
        """What strikes this call, in order. Once a rule ends it, those after do not see it."""
        kinds = BEFORE | AFTER | (OF_LIST if verb == "list" else frozenset())
        strikes = []
        for one in self._armed:
            if not (one.rule.is_status or one.rule.kind in kinds):
                continue
            if self._matches(one, request) and self._fire(one):
                strikes.append(one.strike())
                if one.rule.ends_call:
                    break
        return strikes

    def of_event(self, request: Request, name: str) -> list[Strike]:
        """What strikes an event of a watch, about the object of this name."""
        return [
            one.strike()
            for one in self._armed
            if one.rule.kind in OF_WATCH
            and one.rule.names(name)
            and self._matches(one, request)
            and self._fire(one)
        ]

    def silences(self, request: Request) -> bool:
        """Whether a watch is kept from sending bookmarks."""
        return any(
            one.rule.kind == "watch_silent" and self._matches(one, request) for one in self._armed
        )

    def of_pod(self, kind: str, name: str, images: Iterable[str]) -> Strike | None:
        """The first rule of this kind that strikes a new pod."""
        for one in self._armed:
            if one.rule.kind == kind and one.rule.names(name):
                wanted = kind != "image_pull" or any(_search(one, image) for image in images)
                if wanted and self._fire(one):
                    return one.strike()
        return None

    def scheduler_paused(self, pod: str) -> bool:
        return self._stands("pending", lambda rule: rule.names(pod))

    def node_lost(self, node: str) -> bool:
        """Whether a node is cut off from the API."""
        return bool(node) and self._stands("lost_node", lambda rule: rule.names(node))

    def quota_full(self, resource: str) -> bool:
        return self._stands("quota_full", lambda rule: rule.resource in ("", resource), count=True)

    def _stands(self, kind: str, applies: Callable[[Rule], bool], *, count: bool = False) -> bool:
        for one in self._armed:
            if one.rule.kind == kind and applies(one.rule) and (not count or self._fire(one)):
                return True
        return False

    def _matches(self, one: _Armed, request: Request) -> bool:
        return one.rule.matches(request.method, request.target, request.client)

    def _fire(self, one: _Armed) -> bool:
        hit = one.strikes()
        self._save()
        return hit

    def _save(self) -> None:
        stored = [[one.raw, one.seen, one.fired] for one in self._armed]
        self._store.set_meta("faults", json.dumps(stored))


def _search(one: _Armed, image: str) -> bool:
    return re.search(one.rule.image, image) is not None
