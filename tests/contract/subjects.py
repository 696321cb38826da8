"""What the contract suite is run over: the backend in memory, and every other one.

A subject wraps a backend: `grow(n)` gives it room for n Assignments, `finish_stopping()` lets
time pass until what was stopped is gone, `suite_run` is what a suite run needs that it can run.
`marks` are pytest's: `any_cluster` where it runs over a real cluster too.
A backend's own subject lives with its tests, as `tests.<its folder>.subject.Subject`, and goes
with them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.utils.module_loading import import_string

from dispatch.backends import Backend
from dispatch.fake import FakeBackend

TESTS = Path(__file__).resolve().parent.parent


class Subject(Protocol):
    name: str
    backend: Backend
    suite_run: Mapping[str, Any]
    marks: Sequence[pytest.MarkDecorator]

    def grow(self, count: int) -> None: ...

    def finish_stopping(self) -> None: ...


class FakeSubject:
    name = "fake"
    suite_run: Mapping[str, Any] = {}
    marks: Sequence[pytest.MarkDecorator] = ()

    def __init__(self) -> None:
        self.fake = FakeBackend(limit=0)
        self.backend: Backend = self.fake

    def grow(self, count: int) -> None:
        self.fake.limit += count

    def finish_stopping(self) -> None:
        """What is stopped is gone at once."""


def all_subjects() -> list[Any]:
    """Classes, as pytest's parameters."""
    folders = sorted(path.parent.name for path in TESTS.glob("*/subject.py"))
    found = {name: import_string(f"tests.{name}.subject.Subject") for name in folders}
    classes = {"fake": FakeSubject, **found}
    return [pytest.param(made, id=name, marks=made.marks) for name, made in classes.items()]
