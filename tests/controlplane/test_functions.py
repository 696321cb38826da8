"""The supervisor of the background functions, with real processes that are really killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from dispatch import encryption, webhooks
from dispatch.models import LoopBeat, Webhook
from tests.dispatch.receiver import Behaviour, receiver
from tests.factories import make_client, make_task
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECONDS = 45.0
QUICK = {
    "SWITCHYARD_FUNCTIONS_SILENCE_SECONDS": "6",
    "SWITCHYARD_WEBHOOK_TIMEOUT_SECONDS": "4",
    "SWITCHYARD_WEBHOOK_FIRST_RETRY_SECONDS": "0.1",
}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def start(database_url: str) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environ = {**os.environ, **QUICK, "DATABASE_URL": database_url}
        environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        command = [sys.executable, "manage.py", "functions"]
        started.append(subprocess.Popen(command, cwd=ROOT, env=environ))
        return started[-1]

    yield start
    for process in started:
        left = below(process.pid)
        if process.poll() is None:
            process.kill()
            process.wait(10)
        for pid in left:
            kill(pid)


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def parents() -> dict[int, int]:
    """Each living process with its parent."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                found[int(folder.name)] = int(fields[1])
        except (OSError, ValueError, IndexError):
            continue
    return found


def below(pid: int) -> set[int]:
    """All descendants of a process."""
    tree, found, wave = parents(), set[int](), {pid}
    while wave:
        wave = {child for child, parent in tree.items() if parent in wave} - found
        found |= wave
    return found


def is_cluster(pid: int) -> bool:
    try:
        return b"qcluster" in (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False


def cluster_of(process: subprocess.Popen[bytes]) -> set[int]:
    return {pid for pid in below(process.pid) if is_cluster(pid)}


def beat() -> datetime | None:
    found = LoopBeat.objects.filter(name="functions").first()
    return found.at if found else None


def wait_for_life() -> None:
    """A sign of life that is newer than this call."""
    last = beat()

    def newer() -> bool:
        now = beat()
        return now is not None and (last is None or now > last)

    wait_until(newer, SECONDS)


def gone(pids: set[int]) -> bool:
    alive = parents()
    return not any(pid in alive and is_cluster(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_gives_signs_of_life_and_ends_with_nothing_left_behind(
    start: Start, number: signal.Signals
) -> None:
    process = start()
    wait_for_life()
    everything = below(process.pid)
    assert len(cluster_of(process)) >= 5

    process.send_signal(number)

    assert process.wait(SECONDS) == 0
    wait_until(lambda: not everything & parents().keys(), SECONDS)


def test_a_cluster_whose_workers_hang_is_replaced(start: Start) -> None:
    process = start()
    wait_for_life()
    first = cluster_of(process)
    for pid in workers(first):
        kill(pid, signal.SIGSTOP)

    wait_until(lambda: gone(first), SECONDS)

    wait_for_life()
    assert cluster_of(process).isdisjoint(first)


def test_a_cluster_of_which_everything_is_killed_is_replaced(start: Start) -> None:
    process = start()
    wait_for_life()
    first = cluster_of(process)
    for pid in first:
        kill(pid)

    wait_for_life()

    assert cluster_of(process).isdisjoint(first)


def test_when_its_workers_are_killed_signs_of_life_come_back(start: Start) -> None:
    process = start()
    wait_for_life()
    for pid in workers(cluster_of(process)):
        kill(pid)

    wait_for_life()


def test_when_the_supervisor_is_killed_its_cluster_ends_too(start: Start) -> None:
    process = start()
    wait_for_life()
    first = cluster_of(process)

    process.kill()

    process.wait(10)
    wait_until(lambda: gone(first), SECONDS)


def workers(cluster: set[int]) -> set[int]:
    """The innermost processes: the workers, the pusher and the monitor."""
    tree = parents()
    return {pid for pid in cluster if pid not in tree.values()}


def test_a_message_whose_sender_is_killed_arrives_again(start: Start, settings: Settings) -> None:
    """The receiver has worked, and the sender dies before it hears so."""
    settings.WEBHOOK_LEASE_SECONDS = 5
    with receiver() as rails:
        rails.next = [Behaviour(delay=8)]
        client = make_client(webhook_url=rails.url, webhook_secret=encryption.encrypt(SECRET))
        Webhook.enqueue(make_task(client=client).pk, "task.running")
        process = start()

        hand_out_until(lambda: len(rails.heard) == 1)
        for pid in workers(cluster_of(process)):
            kill(pid)
        hand_out_until(lambda: Webhook.objects.filter(delivered_at__isnull=False).exists())

        assert len(rails.heard) == 2
        assert len({heard.id for heard in rails.heard}) == 1
        assert rails.heard[0].body == rails.heard[1].body
        assert Webhook.objects.get().attempts == 2


def hand_out_until(condition: Callable[[], bool]) -> None:
    """As the controller does, again and again."""

    def step() -> bool:
        webhooks.enqueue_due()
        time.sleep(0.2)
        return condition()

    wait_until(step, SECONDS)
