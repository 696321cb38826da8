"""Faults on demand: rules that say which container goes wrong, how, and how often.

A rule is a JSON object; `kind` is needed, the rest has defaults:

    kind         what happens, see KINDS
    pod, container, image   regular expressions, searched in the names and in the reference
    probability  of a match, 0…1 (default 1)
    count        fire at most so often (default: no limit)
    after        let so many matches pass first (default 0)
    seconds      a number or "lo:hi", in simulated seconds, for the kinds that take time
    exit_code    of `oom` and `crash`
    message      of `evict`

Rules and their counters are kept on disk, so a restart goes on where it was.
"""

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox.span import Span

KINDS = {
    "pull_not_found": "the image is not found",
    "pull_denied": "the registry refuses: insufficient_scope",
    "pull_unauthorized": "the registry refuses: 401",
    "pull_network": "the registry cannot be reached",
    "pull_no_host": "the registry's name is not known",
    "slow_pull": "the pull takes longer by `seconds`",
    "slow_start": "the container is created later by `seconds`",
    "slow_service": "a service's stand-in has started up later by `seconds`",
    "oom": "`seconds` after its start it is killed for its memory (137, or `exit_code`)",
    "oom_child": "`seconds` after its start what process 1 runs is killed for memory, not itself",
    "crash": "`seconds` after its start it ends with `exit_code` (1)",
    "never_ready": "its probes fail",
    "ignore_term": "it does not react to TERM",
    "evict": "`seconds` after the pod's start it is evicted",
}
PULL = ("pull_not_found", "pull_denied", "pull_unauthorized", "pull_network", "pull_no_host")


class BadRule(Exception):
    """The message names the rule, the field and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    kind: str
    pod: str = ""
    container: str = ""
    image: str = ""
    probability: float = 1.0
    count: int | None = None
    after: int = 0
    seconds: str = "0"
    exit_code: int | None = None
    message: str = ""

    def matches(self, pod: str, container: str, image: str) -> bool:
        pairs = ((self.pod, pod), (self.container, container), (self.image, image))
        return all(re.search(expression, name) for expression, name in pairs)

    def strikes(self, number: int) -> bool:
        """Whether the nth match is struck; the same again after a restart."""
        digest = hashlib.sha256(f"{self}:{number}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64 < self.probability

    def draw(self) -> float:
        return Span.parse(self.seconds).draw(str(self))


class Faults:
    """May be used by any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._seen: list[int] = []
        self._fired: list[int] = []
        if path.exists():
            content = json.loads(path.read_text())
            self._rules = [Rule(**raw) for raw in content["rules"]]
            self._seen, self._fired = content["seen"], content["fired"]

    def replace(self, raw: object) -> None:
        """Put these rules in place of all others, counters at 0. Raises BadRule."""
        if not isinstance(raw, list):
            raise BadRule("faults are a JSON list of rules")
        rules = [_parse(one, f"rule {number}") for number, one in enumerate(raw, 1)]
        with self._lock:
            self._rules = rules
            self._seen, self._fired = [0] * len(rules), [0] * len(rules)
            self._save()

    def describe(self) -> list[dict[str, Any]]:
        with self._lock:
            counters = zip(self._rules, self._seen, self._fired, strict=True)
            return [
                {**asdict(rule), "seen": seen, "fired": fired} for rule, seen, fired in counters
            ]

    def fire(self, *kinds: str, pod: str, container: str = "", image: str = "") -> Rule | None:
        """The first rule of these kinds that strikes here and now; it is counted."""
        with self._lock:
            for at, rule in enumerate(self._rules):
                if rule.kind in kinds and rule.matches(pod, container, image) and self._hit(at):
                    return rule
        return None

    def _hit(self, at: int) -> bool:
        rule = self._rules[at]
        self._seen[at] += 1
        spent = rule.count is not None and self._fired[at] >= rule.count
        hit = self._seen[at] > rule.after and not spent and rule.strikes(self._seen[at])
        self._fired[at] += hit
        self._save()
        return hit

    def _save(self) -> None:
        content = {
            "rules": [asdict(rule) for rule in self._rules],
            "seen": self._seen,
            "fired": self._fired,
        }
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(content))
        os.replace(draft, self._path)


def _parse(raw: object, where: str) -> Rule:
    if not isinstance(raw, dict):
        raise BadRule(f"{where}: a rule is a JSON object")
    if raw.get("kind") not in KINDS:
        raise BadRule(f"{where}: kind: must be one of {', '.join(KINDS)}")
    for name, value in raw.items():
        if name not in _FIELDS:
            raise BadRule(f"{where}: {name}: is unknown; known are {', '.join(_FIELDS)}")
        check, rule = _FIELDS[name]
        try:
            valid = check(value)
        except (ValueError, TypeError, re.error):
            valid = False
        if not valid:
            raise BadRule(f"{where}: {name}: {rule}")
    return Rule(**{**raw, "seconds": str(raw.get("seconds", 0))})


def _expression(value: Any) -> bool:
    return isinstance(value, str) and re.compile(value) is not None


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "kind": (lambda value: isinstance(value, str), ""),
    "pod": (_expression, "must be a regular expression"),
    "container": (_expression, "must be a regular expression"),
    "image": (_expression, "must be a regular expression"),
    "probability": (lambda value: 0 <= float(value) <= 1, "must be a number from 0 to 1"),
    "count": (_whole(1, 10**9), "must be a positive integer"),
    "after": (_whole(0, 10**9), "must be an integer from 0"),
    "seconds": (lambda value: bool(Span.parse(str(value))), 'must be a number or "lo:hi"'),
    "exit_code": (_whole(0, 255), "must be an integer from 0 to 255"),
    "message": (lambda value: isinstance(value, str), "must be a text"),
}
