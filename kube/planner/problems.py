"""What is wrong with a repository's files, and what was left aside in them."""

from dataclasses import dataclass, field
from typing import Any

MOST = 50
LONGEST = 400
LONGEST_QUOTE = 80


@dataclass(frozen=True, kw_only=True)
class Problem:
    """`service` is "" where the file as a whole is meant. `key` is a path in the service, as in
    `build.context`, or a line of the Dockerfile."""

    service: str
    key: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"service {self.service}, {self.key}" if self.service else self.key
        return f"{place}: {self.message}; {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that was read and changes nothing, or changes something quietly."""

    service: str
    key: str
    message: str

    def __str__(self) -> str:
        place = f"service {self.service}, {self.key}" if self.service else self.key
        return f"{place}: {self.message}"


class Refused(Exception):
    """The rest of this file cannot be read sensibly. The problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(kw_only=True)
class Findings:
    """Collects problems and notes; each once, and no more than anybody would read."""

    problems: dict[Problem, None] = field(default_factory=dict)
    notes: dict[Note, None] = field(default_factory=dict)

    def problem(self, service: str, key: str, message: str, remedy: str) -> None:
        if len(self.problems) < MOST:
            place = {"service": plain(service), "key": plain(key)}
            found = Problem(**place, message=message[:LONGEST], remedy=remedy[:LONGEST])
            self.problems[found] = None

    def note(self, service: str, key: str, message: str) -> None:
        if len(self.notes) < MOST:
            found = Note(service=plain(service), key=plain(key), message=message[:LONGEST])
            self.notes[found] = None


def quote(value: Any) -> str:
    """A value of the customer's, short enough to be shown on one line."""
    text = value if isinstance(value, str) else type(value).__name__
    if isinstance(value, bool | int | float):
        text = _number(value)
    return f"`{plain(text)}`"


def plain(text: str) -> str:
    """On one line, and not too long."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:LONGEST_QUOTE])
    return shown + "…" if len(text) > LONGEST_QUOTE else shown


def _number(value: float) -> str:
    """Very long whole numbers have no decimal text in Python."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a very large number"
    return str(value).lower() if isinstance(value, bool) else str(value)
