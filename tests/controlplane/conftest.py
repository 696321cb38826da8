"""Two backends in memory, and an operator who is logged in."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from controlplane import figures
from dispatch import backends

PASSWORD = "a-long-password-of-maria"


@pytest.fixture
def both_backends(settings: Any) -> Iterator[None]:
    """Whatever is configured otherwise: the pages know backends by their entries alone."""
    settings.BACKENDS = {"droplets": "dispatch.fake.ENTRY", "kubernetes": "dispatch.fake.ENTRY"}
    backends.forget()
    figures.expected_loops.cache_clear()
    yield
    backends.forget()
    figures.expected_loops.cache_clear()


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("maria", password=PASSWORD)


@pytest.fixture
def console(operator: User, both_backends: None) -> Client:
    """A browser without JavaScript."""
    browser = Client()
    browser.force_login(operator)
    return browser
