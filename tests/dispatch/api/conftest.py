from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django import Settings

from dispatch import backends
from dispatch.fake import FakeBackend
from tests.dispatch.api.calling import Api, issue_key


@pytest.fixture
def fake(settings: Settings) -> Iterator[FakeBackend]:
    """The only configured backend, in memory."""
    settings.BACKENDS = {"fake": "dispatch.fake.ENTRY"}
    backends.forget()
    backend = backends.get("fake")
    assert isinstance(backend, FakeBackend)
    yield backend
    backends.forget()


@pytest.fixture
def api(db: None, fake: FakeBackend) -> Api:
    """A client with every scope."""
    return Api(Client(), issue_key())
