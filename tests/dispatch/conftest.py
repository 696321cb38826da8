import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from dispatch import encryption
from sandbox.stack import Process
from tests.dispatch.api.calling import Site, issue_key
from tests.dispatch.hooks import SECRET
from tests.dispatch.receiver import Receiver, receiver
from tests.factories import make_client
from tests.ports import free_port


@pytest.fixture
def rails(db: None, settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_TIMEOUT_SECONDS = 0.5
    settings.WEBHOOK_FIRST_RETRY_SECONDS = 60
    settings.WEBHOOK_MAX_ATTEMPTS = 3
    with receiver() as found:
        make_client(webhook_url=found.url, webhook_secret=encryption.encrypt(SECRET))
        yield found


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """A web process of our own with real threads, on the test database. It has no backend, so what
    it takes does not hang on which of them there are."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "controlplane.wsgi", "--threads", "8"]
    environ = {**os.environ, "DATABASE_URL": database_url, "SWITCHYARD_BACKENDS": ""}
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
