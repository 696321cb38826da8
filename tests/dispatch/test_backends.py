"""Backends are found by their path, and each is there once."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import ModuleType

import pytest
from pytest_django import Settings

from dispatch import backends
from dispatch.backends import Backend, BackendEntry
from dispatch.fake import FakeBackend

LOOPS = 8


def make_slowly() -> Backend:
    time.sleep(0.05)
    return FakeBackend()


@pytest.fixture
def slow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("tests_slow_backend")
    module.ENTRY = BackendEntry(title="Slow", backend=make_slowly)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    settings.BACKENDS = {"slow": f"{module.__name__}.ENTRY"}
    backends.forget()
    yield
    backends.forget()


def test_all_that_ask_at_once_get_the_same_one(slow: None) -> None:
    together = Barrier(LOOPS)

    def ask() -> Backend:
        together.wait(10)
        return backends.get("slow")

    with ThreadPoolExecutor(LOOPS) as loops:
        found = [asked.result() for asked in [loops.submit(ask) for _ in range(LOOPS)]]
    assert len({id(backend) for backend in found}) == 1
