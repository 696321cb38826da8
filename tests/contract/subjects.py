"""What the contract suite is run over: the backend in memory, and each configured one.

A subject wraps a backend: `grow(n)` gives it room for n Assignments, `finish_stopping()` lets
time pass until what was stopped is gone. A backend's own subject lives with its tests, as
`tests.<its folder>.subject.Subject`, and goes with them.
"""

from typing import Protocol

from django.conf import settings

from dispatch.backends import Backend
from dispatch.fake import FakeBackend


class Subject(Protocol):
    name: str
    backend: Backend

    def grow(self, count: int) -> None: ...

    def finish_stopping(self) -> None: ...


class FakeSubject:
    name = "fake"

    def __init__(self) -> None:
        self.fake = FakeBackend(limit=0)
        self.backend: Backend = self.fake

    def grow(self, count: int) -> None:
        self.fake.limit += count

    def finish_stopping(self) -> None:
        """What is stopped is gone at once."""


def all_subjects() -> list[str]:
    """Dotted paths."""
    folders = [path.split(".")[0] for path in settings.BACKENDS.values()]
    return [f"{__name__}.FakeSubject", *(f"tests.{name}.subject.Subject" for name in folders)]
