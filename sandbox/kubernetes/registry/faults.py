"""Answers that a registry gives in place of its own, on demand.

A rule: {"status": 401, "method": "PUT", "path": "/manifests/", "count": 2}. `status` is needed;
`method` and `path` (a regular expression) choose the calls, `count` how many of them are struck.
The rules live as long as the process.
"""

import re
import threading
from dataclasses import asdict, dataclass
from typing import Any

CODES = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 429: "TOOMANYREQUESTS"}
_METHODS = ("*", "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")


class BadRule(Exception):
    """The message names the rule, the field and the remedy."""


@dataclass(kw_only=True)
class Rule:
    status: int
    method: str = "*"
    path: str = ""
    count: int | None = None
    fired: int = 0

    def fire(self, method: str, path: str) -> bool:
        spent = self.count is not None and self.fired >= self.count
        hit = not spent and self.method in ("*", method) and bool(re.search(self.path, path))
        self.fired += hit
        return hit


class Faults:
    """May be used by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def replace(self, raw: object) -> None:
        """Put these rules in place of all others. Raises BadRule."""
        if not isinstance(raw, list):
            raise BadRule("faults are a JSON list of rules")
        rules = [_parse(one, f"rule {number}") for number, one in enumerate(raw, 1)]
        with self._lock:
            self._rules = rules

    def describe(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(rule) for rule in self._rules]

    def strike(self, method: str, path: str) -> int | None:
        """The status to answer with, None where the registry answers itself."""
        with self._lock:
            return next((rule.status for rule in self._rules if rule.fire(method, path)), None)


def _parse(raw: object, where: str) -> Rule:
    if not isinstance(raw, dict):
        raise BadRule(f"{where}: a rule is a JSON object")
    for name in raw.keys() - {"status", "method", "path", "count"}:
        raise BadRule(f"{where}: {name}: is unknown; known are status, method, path, count")
    if type(raw.get("status")) is not int or not 400 <= raw["status"] <= 599:
        raise BadRule(f"{where}: status: must be a 4xx or 5xx status")
    if raw.get("method", "*") not in _METHODS:
        raise BadRule(f"{where}: method: must be one of {', '.join(_METHODS)}")
    if "count" in raw and (type(raw["count"]) is not int or raw["count"] < 1):
        raise BadRule(f"{where}: count: must be a positive integer")
    try:
        re.compile(raw.get("path", ""))
    except (re.error, TypeError):
        raise BadRule(f"{where}: path: must be a regular expression") from None
    return Rule(**raw)
