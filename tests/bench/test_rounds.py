"""Sides take turns, each round begins with another one, and the first round is left out."""

from io import StringIO

from rich.console import Console

from tests.bench.progress import Progress
from tests.bench.rounds import medians, ratios, take_turns


def test_all_sides_take_part_in_every_round() -> None:
    asked: list[str] = []

    def side(name: str) -> float:
        asked.append(name)
        return float(len(asked))

    said = StringIO()
    progress = Progress(Console(file=said))
    sides = {"ours": lambda: side("ours"), "bare": lambda: side("bare")}
    found = take_turns("Racing", sides, 3, progress)
    assert asked == ["ours", "bare", "bare", "ours"] * 2
    assert found == [{"bare": 3, "ours": 4}, {"ours": 5, "bare": 6}, {"bare": 7, "ours": 8}]
    assert "Racing: 4/4" in said.getvalue()


def test_ratios_are_taken_round_by_round() -> None:
    rounds = [{"ours": 1.0, "bare": 2.0}, {"ours": 3.0, "bare": 3.0}, {"ours": 8.0, "bare": 4.0}]
    assert ratios(rounds, "ours", "bare") == [0.5, 1.0, 2.0]
    assert medians(rounds, "ours", "bare") == {"ours": 3.0, "bare": 3.0}
