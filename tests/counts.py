"""A pytest plugin: `--counts-file PATH` writes how many tests passed, failed and were skipped."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import pytest
from _pytest.terminal import TerminalReporter


@dataclass(frozen=True, kw_only=True)
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            passed=self.passed + other.passed,
            failed=self.failed + other.failed,
            skipped=self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises FileNotFoundError when pytest did not get to its end."""
        return cls(**json.loads(path.read_text()))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--counts-file", type=Path, help="write the counts there, as JSON")


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    # An error in a fixture is a failure: the rule under test was not shown to hold.
    def count(*outcomes: str) -> int:
        return sum(len(terminalreporter.stats.get(outcome, [])) for outcome in outcomes)

    counts = Counts(
        passed=count("passed"),
        failed=count("failed", "error"),
        skipped=count("skipped", "xfailed"),
    )
    path = config.getoption("--counts-file")
    if path is not None:
        path.write_text(json.dumps(asdict(counts)))
