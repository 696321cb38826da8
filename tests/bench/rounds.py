"""Sides that are compared take turns in short rounds: whatever disturbs the machine meanwhile
disturbs them all."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from tests.bench.progress import Progress

Rates = Mapping[str, float]


def take_turns(
    title: str, sides: Mapping[str, Callable[[], float]], count: int, progress: Progress
) -> list[Rates]:
    """What each side gave in each of `count` rounds. Each round begins with another side; the
    first one warms everything up and is left out."""
    names = list(sides)
    rounds: list[Rates] = []
    for number in progress.rounds(title, count + 1):
        order = names[number % len(names) :] + names[: number % len(names)]
        rounds.append({name: sides[name]() for name in order})
    return rounds[1:]


def ratios(rounds: Sequence[Rates], ours: str, bare: str) -> list[float]:
    return [rates[ours] / rates[bare] for rates in rounds]


def medians(rounds: Sequence[Rates], *names: str) -> dict[str, float]:
    return {name: statistics.median(rates[name] for rates in rounds) for name in names}
