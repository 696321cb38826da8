"""A result is judged by its target; the document and the table say what was found."""

import pytest
from rich.console import Console

from tests.bench.results import Result, document, of_ratios, percentile, quartiles, table


def result(**facts: object) -> Result:
    defaults: dict[str, object] = {"name": "a.b", "title": "A by B", "n": 3, "target": 0.3}
    return Result(**(defaults | facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "more_is_better", "verdict"),
    [
        (0.29, True, "missed"),
        (0.3, True, "target met, aim missed"),
        (0.5, True, "met"),
        (0.31, False, "missed"),
        (0.3, False, "target met, aim missed"),
        (0.1, False, "met"),
    ],
)
def test_the_target_decides_and_the_aim_is_told(
    value: float, more_is_better: bool, verdict: str
) -> None:
    aim = 0.5 if more_is_better else 0.2
    assert result(value=value, aim=aim, more_is_better=more_is_better).verdict == verdict


def test_one_missed_target_is_the_whole_run_s() -> None:
    good, bad = result(value=0.4), result(value=0.2)
    assert document([good])["met"] is True
    found = document([good, bad], quick=True)
    assert (found["met"], found["quick"]) == (False, True)
    assert [one["verdict"] for one in found["results"]] == ["met", "missed"]


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    found = of_ratios("a.b", "A by B", [9.0, 1.0, 2.0, 3.0, 0.1], target=1)
    assert (found.value, found.low, found.high, found.n) == (2.0, 1.0, 3.0, 5)


def test_few_samples_have_quartiles_too() -> None:
    assert quartiles([4.0]) == (4.0, 4.0, 4.0)
    assert percentile([float(number) for number in range(1, 102)], 99) == 100.0


def test_the_table_shows_all_that_the_verdict_rests_on() -> None:
    console = Console(width=120)
    shown = result(value=0.41, low=0.4, high=0.5, aim=0.5, details={"a": 5374.0, "b": 0.5})
    with console.capture() as captured:
        console.print(table([shown]))
    text = captured.get()
    for part in ("A by B", "a 5,374", "b 0.5", "0.41", "0.40 – 0.50", "≥ 0.3", "aim missed"):
        assert part in text
