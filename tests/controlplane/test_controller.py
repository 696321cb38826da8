import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection

from dispatch import wake
from dispatch.models import Lease, LoopBeat

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 30.0

pytestmark = pytest.mark.django_db(transaction=True)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def start_controller(database_url: str) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environ = {**os.environ, "DATABASE_URL": database_url, "SWITCHYARD_LEASE_SECONDS": "2"}
        command = [sys.executable, "manage.py", "controller", "--settings=tests.settings"]
        process = subprocess.Popen(command, cwd=ROOT, env=environ)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def holder() -> str | None:
    return Lease.objects.filter(name="controller").values_list("holder", flat=True).first()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_leads_beats_and_ends_cleanly_on_a_signal(
    start_controller: Callable[[], subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    process = start_controller()
    wait_for(lambda: LoopBeat.objects.filter(name="timeouts").exists())
    assert f":{process.pid}:" in (holder() or "")

    process.send_signal(number)

    assert process.wait(15) == 0
    assert holder() is None
    if connection.vendor == "sqlite":
        assert not wake.socket_path().exists()


def test_a_second_controller_takes_over_when_the_first_is_killed(
    start_controller: Callable[[], subprocess.Popen[bytes]],
) -> None:
    first = start_controller()
    wait_for(lambda: f":{first.pid}:" in (holder() or ""))
    second = start_controller()

    first.kill()

    wait_for(lambda: f":{second.pid}:" in (holder() or ""))
