"""What a measurement found, and how it is shown."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Result:
    """`value` is a median (or the percentile that the title names) of `n` samples, `low` and
    `high` are their quartiles. A ratio is ours by the bare one's."""

    name: str
    title: str
    value: float
    target: float
    n: int
    aim: float | None = None
    unit: str = ""
    more_is_better: bool = True
    low: float | None = None
    high: float | None = None
    details: dict[str, float] = field(default_factory=dict)

    def reaches(self, mark: float) -> bool:
        return self.value >= mark if self.more_is_better else self.value <= mark

    @property
    def verdict(self) -> str:
        if not self.reaches(self.target):
            return "missed"
        return "met" if self.aim is None or self.reaches(self.aim) else "target met, aim missed"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.reaches(self.target), "verdict": self.verdict}


def of_ratios(
    name: str, title: str, ratios: Sequence[float], *, target: float, **facts: Any
) -> Result:
    """The median of the rounds' ratios. `facts` are more of the Result's."""
    low, middle, high = quartiles(ratios)
    return Result(
        name=name, title=title, value=middle, target=target, n=len(ratios), low=low, high=high,
        **facts,
    )  # fmt: skip


def quartiles(samples: Sequence[float]) -> tuple[float, float, float]:
    if len(samples) < 2:
        return samples[0], samples[0], samples[0]
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, middle, high


def percentile(samples: Sequence[float], hundredth: int) -> float:
    return statistics.quantiles(samples, n=100, method="inclusive")[hundredth - 1]


def document(results: Sequence[Result], **facts: Any) -> dict[str, Any]:
    """All that a run found, as JSON. `facts` are more about the run."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        **facts,
        "met": all(result.reaches(result.target) for result in results),
        "results": [result.as_json() for result in results],
    }


def machine() -> str:
    """Its class, not its name."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def table(results: Sequence[Result]) -> Table:
    found = Table(title="Speed, beside the bare thing", title_justify="left")
    found.add_column("What", overflow="fold")
    for heading in ("Found", "Quartiles", "Target", "Aim", "n"):
        found.add_column(heading, justify="right", no_wrap=True)
    found.add_column("")
    for result in results:
        found.add_row(*_cells(result), style="" if result.reaches(result.target) else "bold red")
    return found


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cells(result: Result) -> list[str]:
    sign = "≥" if result.more_is_better else "≤"
    quartiles = "" if result.low is None else f"{result.low:.2f} – {result.high:.2f}"
    details = ", ".join(f"{name} {_short(value)}" for name, value in result.details.items())
    return [
        result.title + (f" ({details})" if details else ""),
        f"{result.value:.2f}{result.unit}",
        quartiles,
        f"{sign} {result.target:g}{result.unit}",
        "" if result.aim is None else f"{sign} {result.aim:g}",
        f"{result.n:,}",
        result.verdict,
    ]
