"""Sides that are compared take turns in short rounds: whatever disturbs the machine meanwhile
disturbs them all."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from tests.bench.progress import Progress

Rates = Mapping[str, float]


def take_turns(
    title: str, sides: Mapping[str, Callable[[], float]], count: int, progress: Progress
) -> list[Rates]:
    """What each side gave in each round. Each round begins with another side; one round before
    them warms everything up and does not count."""
    names = list(sides)
    for name in names:
        sides[name]()
    rounds: list[Rates] = []
    for number in progress.rounds(title, count):
        order = names[number % len(names) :] + names[: number % len(names)]
        rounds.append({name: sides[name]() for name in order})
    return rounds


def ratios(rounds: Sequence[Rates], ours: str, bare: str) -> list[float]:
    return [rates[ours] / rates[bare] for rates in rounds]


def medians(rounds: Sequence[Rates], *names: str) -> dict[str, float]:
    return {name: statistics.median(rates[name] for rates in rounds) for name in names}
