from collections.abc import Iterator

import pytest
from pytest_django import Settings

from dispatch import backends
from dispatch.controller import health
from dispatch.fake import FakeBackend
from dispatch.models import Assignment
from tests.factories import make_assignment, make_suite_run


@pytest.fixture
def fake(settings: Settings) -> Iterator[FakeBackend]:
    """The only configured backend, in memory; whatever is known of its health is forgotten."""
    settings.BACKENDS = {"fake": "dispatch.fake.ENTRY"}
    backends.forget()
    health._all.clear()
    backend = backends.get("fake")
    assert isinstance(backend, FakeBackend)
    yield backend
    backends.forget()
    health._all.clear()


def queued(priority: int = 0) -> Assignment:
    assignment = make_assignment(make_suite_run(backend="fake"), priority=priority)
    return assignment
