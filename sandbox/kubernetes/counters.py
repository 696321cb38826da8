"""How often each call was made, and what became of it. Written to disk now and then."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from .store import Store

_FLUSH_SECONDS = 0.5


class Counters:
    """`later` calls something after so many seconds."""

    def __init__(self, store: Store, later: Callable[[float, Callable[[], None]], None]) -> None:
        self._store = store
        self._later = later
        self._fresh: Counter[tuple[str, str]] = Counter()

    def count(self, what: str, outcome: str) -> None:
        if not self._fresh:
            self._later(_FLUSH_SECONDS, self.flush)
        self._fresh[what, outcome] += 1

    def flush(self) -> None:
        fresh, self._fresh = self._fresh, Counter()
        for (what, outcome), number in fresh.items():
            self._store.count(what, outcome, number)

    def describe(self) -> dict[str, dict[str, Any]]:
        self.flush()
        calls: dict[str, dict[str, Any]] = {}
        for what, outcome, number in self._store.counts():
            entry = calls.setdefault(what, {"total": 0, "outcomes": {}})
            entry["total"] += number
            entry["outcomes"][outcome] = number
        return calls
