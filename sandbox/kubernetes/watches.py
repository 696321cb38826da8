"""The watches that are open, and how many there were at most: of each user, for each kind."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Watches:
    def __init__(self) -> None:
        self._wakes: set[asyncio.Event] = set()
        self._open: Counter[tuple[str, str]] = Counter()
        self._most: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def opened(self, user: str, plural: str) -> Iterator[asyncio.Event]:
        """For as long as it lasts. The event is set where it has something to look at."""
        wake, key = asyncio.Event(), (user, plural)
        self._wakes.add(wake)
        self._open[key] += 1
        self._most[key] = max(self._most[key], self._open[key])
        try:
            yield wake
        finally:
            self._wakes.discard(wake)
            self._open[key] -= 1

    def wake(self) -> None:
        for wake in self._wakes:
            wake.set()

    def __len__(self) -> int:
        return len(self._wakes)

    def describe(self) -> dict[str, dict[str, dict[str, int]]]:
        """By user and plural, since the sandbox was started."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for user, plural in sorted(self._most):
            key = (user, plural)
            kinds = found.setdefault(user, {})
            kinds[plural] = {"open": self._open[key], "most": self._most[key]}
        return found
