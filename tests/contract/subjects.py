"""What the contract suite is run over: the backend in memory, and every other one.

A subject wraps a backend: `grow(n)` gives it room for n Assignments, `finish_stopping()` lets
time pass until what was stopped is gone, `suite_run` is what a suite run needs that it can run.
A backend's own subject lives with its tests, as `tests.<its folder>.subject.Subject`, and goes
with them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from dispatch.backends import Backend
from dispatch.fake import FakeBackend

TESTS = Path(__file__).resolve().parent.parent


class Subject(Protocol):
    name: str
    backend: Backend
    suite_run: Mapping[str, Any]

    def grow(self, count: int) -> None: ...

    def finish_stopping(self) -> None: ...


class FakeSubject:
    name = "fake"
    suite_run: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.fake = FakeBackend(limit=0)
        self.backend: Backend = self.fake

    def grow(self, count: int) -> None:
        self.fake.limit += count

    def finish_stopping(self) -> None:
        """What is stopped is gone at once."""


def all_subjects() -> list[str]:
    """Dotted paths."""
    folders = sorted(path.parent.name for path in TESTS.glob("*/subject.py"))
    return [f"{__name__}.FakeSubject", *(f"tests.{name}.subject.Subject" for name in folders)]
