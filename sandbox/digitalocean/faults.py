"""Faults on demand: rules that say which calls or droplets go wrong, how, and how often.

A rule is a JSON object; `kind` is needed, the rest has defaults:

    kind         what happens, see KINDS
    method       GET, POST, … or * (default)
    path         a regular expression, searched in the path with its query (default: any)
    probability  of a matching call, 0…1 (default 1)
    count        fire at most so often (default: no limit)
    after        let this many matching calls pass first (default 0)
    seed         of the draws; the same seed and calls fire at the same calls

Rules and their counters are stored, so a restart goes on where it was.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.span import Span

from .errors import invalid, unprocessable
from .store import Store

# Kind: the parameters it takes on top of those above.
KINDS: dict[str, frozenset[str]] = {
    # A call, before any work. A kind of three digits (429, 500, 503 …) answers with that status.
    "latency": frozenset({"seconds"}),
    "reset": frozenset(),
    "hang": frozenset({"seconds"}),
    # A call, after the work was done.
    "drop_answer": frozenset(),
    "hang_answer": frozenset({"seconds"}),
    # GET /v2/droplets.
    "truncated_list": frozenset({"status", "retry_after", "html"}),
    "omit": frozenset({"droplets", "name", "honest_total"}),
    "stale": frozenset({"seconds"}),
    # A droplet, decided when it is created.
    "never_active": frozenset({"name"}),
    "no_agent": frozenset({"name"}),
    "kill_agent": frozenset({"name", "seconds"}),
    "ignore_shutdown": frozenset({"name"}),
}
STATUS_PARAMETERS = frozenset({"retry_after", "html"})
BEFORE = frozenset({"latency", "reset", "hang"})
AFTER = frozenset({"drop_answer", "hang_answer"})
OF_LIST = frozenset({"truncated_list", "omit", "stale"})
OF_DROPLET = frozenset({"never_active", "no_agent", "kill_agent", "ignore_shutdown"})
LONGEST = 600.0  # seconds a call may be held


@dataclass(frozen=True, kw_only=True)
class Rule:
    kind: str
    method: str = "*"
    path: str = ""
    probability: float = 1.0
    count: int | None = None
    after: int = 0
    seed: str = "0"
    seconds: Span = Span(1, 1)
    status: int = 500
    retry_after: int | None = None
    html: bool = False
    name: str = ""
    droplets: int = 1
    honest_total: bool = False

    @property
    def is_status(self) -> bool:
        return self.kind.isdigit()

    @property
    def ends_call(self) -> bool:
        """Before any work is done."""
        return self.is_status or self.kind in ("reset", "hang", "truncated_list")

    def matches(self, method: str, target: str) -> bool:
        return self.method in ("*", method) and re.search(self.path, target) is not None

    def strikes_droplet(self, name: str) -> bool:
        """Whether this rule is about droplets, and about one of this name."""
        return self.kind in OF_DROPLET and self.names(name)

    def names(self, droplet_name: str) -> bool:
        return re.search(self.name, droplet_name) is not None

    def draw(self, number: int) -> float:
        """0…1 for the nth matching call, the same again after a restart."""
        digest = hashlib.sha256(f"{self.seed}:{number}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


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


class Faults:
    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._seed = seed
        rows = store.read("SELECT * FROM fault ORDER BY position")
        self._armed = [self._load(row["rule"], row["seen"], row["fired"]) for row in rows]

    def _load(self, text: str, seen: int, fired: int) -> _Armed:
        raw = json.loads(text)
        return _Armed(parse_rule(raw, ""), raw, seen, fired)

    def replace(self, raw: object) -> None:
        """Put these rules in place of all others, counters at 0. 422 when one is not valid."""
        if not isinstance(raw, list):
            raise unprocessable("faults are a JSON list of rules")
        seeded = [
            {"seed": f"{self._seed}-{i}", **r} if isinstance(r, dict) else r
            for i, r in enumerate(raw)
        ]
        armed = [_Armed(parse_rule(r, f"rule {i + 1}: "), r) for i, r in enumerate(seeded)]
        with self._store.transaction():
            self._store.run("DELETE FROM fault")
            for position, one in enumerate(armed):
                text = json.dumps(one.raw)
                self._store.run("INSERT INTO fault (position, rule) VALUES (?, ?)", position, text)
            self._armed = armed

    def describe(self) -> list[dict[str, Any]]:
        return [{**one.raw, "seen": one.seen, "fired": one.fired} for one in self._armed]

    def fire(self, method: str, target: str, applies: Callable[[Rule], bool]) -> list[Strike]:
        """What strikes this call (or droplet), in order, and count it. Once a rule ends the call,
        the rules after it do not see it."""
        strikes: list[Strike] = []
        with self._store.transaction():
            for position, one in enumerate(self._armed):
                if not (applies(one.rule) and one.rule.matches(method, target)):
                    continue
                if not self._strikes(position, one):
                    continue
                seconds = one.rule.seconds.draw(f"{one.rule.seed}:{one.seen}:seconds")
                strikes.append(Strike(rule=one.rule, seconds=seconds))
                if one.rule.ends_call:
                    break
        return strikes

    def _strikes(self, position: int, one: _Armed) -> bool:
        rule = one.rule
        one.seen += 1
        spent = rule.count is not None and one.fired >= rule.count
        strikes = one.seen > rule.after and not spent and rule.draw(one.seen) < rule.probability
        one.fired += strikes
        self._store.run(
            "UPDATE fault SET seen = ?, fired = ? WHERE position = ?", one.seen, one.fired, position
        )
        return strikes


def parse_rule(raw: object, where: str) -> Rule:
    """Raises 422 that names the rule and the field."""
    if not isinstance(raw, dict):
        raise unprocessable(f"{where}a rule is a JSON object")
    kind = str(raw.get("kind"))
    parameters = STATUS_PARAMETERS if re.fullmatch("[45][0-9][0-9]", kind) else KINDS.get(kind)
    if parameters is None:
        raise invalid(f"{where}kind", f"is none of {', '.join(KINDS)} nor a 4xx or 5xx status")
    allowed = parameters | {"kind", "method", "path", "probability", "count", "after", "seed"}
    for field in raw.keys() - allowed:
        known = ", ".join(sorted(allowed))
        raise invalid(f"{where}{field}", f"is unknown to {kind}, which knows {known}")
    values = {field: _parse(f"{where}{field}", field, value) for field, value in raw.items()}
    return replace(Rule(kind=kind), **{**values, "kind": kind})


def _parse(label: str, field: str, value: Any) -> Any:
    parse, rule = _FIELDS[field]
    try:
        return parse(value)
    except (ValueError, TypeError, re.error):
        raise invalid(label, rule) from None


def _whole(minimum: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ValueError
        return value

    return parse


def _one_of(choices: Sequence[Any]) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if isinstance(value, bool) or value not in choices:
            raise ValueError
        return value

    return parse


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _pattern(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return re.compile(value).pattern


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError
    return float(value)


def _seconds(value: Any) -> Span:
    if isinstance(value, bool):
        raise ValueError
    span = Span.parse(str(value))
    if span.hi > LONGEST:
        raise ValueError
    return span


_FIELDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "kind": (str, ""),
    "method": (_one_of(["*", "GET", "POST", "PUT", "DELETE"]), "must be *, GET, POST, PUT, DELETE"),
    "path": (_pattern, "must be a regular expression"),
    "name": (_pattern, "must be a regular expression"),
    "probability": (_probability, "must be a number from 0 to 1"),
    "count": (_whole(1), "must be a positive integer"),
    "after": (_whole(0), "must be an integer from 0"),
    "seed": (str, ""),
    "seconds": (_seconds, f'must be a number or "lo:hi", at most {LONGEST:.0f}'),
    "status": (_one_of([429, 500, 502, 503, 504]), "must be 429, 500, 502, 503 or 504"),
    "retry_after": (_whole(0), "must be an integer from 0"),
    "html": (_boolean, "must be a boolean"),
    "droplets": (_whole(1), "must be a positive integer"),
    "honest_total": (_boolean, "must be a boolean"),
}
