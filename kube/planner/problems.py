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

    def __post_init__(self) -> None:
        """What they quote was written by anybody: each is kept on one line, and short."""
        for name in ("service", "key", "message", "remedy"):
            longest = LONGEST_QUOTE if name in ("service", "key") else LONGEST
            object.__setattr__(self, name, plain(getattr(self, name), longest))

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

    @property
    def full(self) -> bool:
        """Whether nobody would read more: what is costly to look for may be left."""
        return len(self.problems) >= MOST

    def problem(self, service: str, key: str, message: str, remedy: str) -> None:
        if not self.full:
            found = Problem(service=service, key=key, message=message, remedy=remedy)
            self.problems[found] = None

    def note(self, service: str, key: str, message: str) -> None:
        if len(self.notes) < MOST:
            place = {"service": plain(service), "key": plain(key)}
            self.notes[Note(**place, message=plain(message, LONGEST))] = None


def quote(value: Any) -> str:
    """A value of the customer's, short enough to be shown on one line."""
    text = value if isinstance(value, str) else type(value).__name__
    if isinstance(value, bool | int | float):
        text = _number(value)
    return f"`{plain(text)}`"


def plain(text: str, longest: int = LONGEST_QUOTE) -> str:
    """On one line, and not too long."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:longest])
    return shown + "…" if len(text) > longest else shown


def _number(value: float) -> str:
    """Very long whole numbers have no decimal text in Python."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a very large number"
    return str(value).lower() if isinstance(value, bool) else str(value)
