import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from pytest_django import Settings

from dispatch import backends
from dispatch.fake import FakeBackend
from sandbox.stack import Process
from tests.dispatch.api.calling import Api, Site, issue_key
from tests.ports import free_port


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


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """A web process of our own with real threads, on the test database."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "controlplane.wsgi", "--threads", "8"]
    environ = {**os.environ, "DATABASE_URL": database_url}
    process = Process(
        "web",
        [*command, "--bind", f"127.0.0.1:{port}", "--timeout", "60"],
        environ,
        django_settings.ROOT,
        tmp_path / "web.log",
    )
    found = Site(process=process, port=port, key=issue_key())
    found.start()
    yield found
    process.stop()
