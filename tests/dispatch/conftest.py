from collections.abc import Iterator

import pytest
from pytest_django import Settings

from dispatch import encryption
from tests.dispatch.hooks import SECRET
from tests.dispatch.receiver import Receiver, receiver
from tests.factories import make_client


@pytest.fixture
def rails(db: None, settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_TIMEOUT_SECONDS = 0.5
    settings.WEBHOOK_FIRST_RETRY_SECONDS = 60
    settings.WEBHOOK_MAX_ATTEMPTS = 3
    with receiver() as found:
        make_client(webhook_url=found.url, webhook_secret=encryption.encrypt(SECRET))
        yield found
