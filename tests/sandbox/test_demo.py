"""The demo, as somebody who types `make demo` has it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from sandbox.demo.rails import Rails
from sandbox.demo.watch import wrong
from sandbox.stack.stack import free_port
from tests.conftest import SQLITE
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120.0
Start = Callable[..., subprocess.Popen[str]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        settings.DATABASES["default"]["ENGINE"] != SQLITE, reason="the demo runs on SQLite"
    ),
]


def running_under(folder: Path) -> list[str]:
    """The command lines of processes that name the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def holders_of(variable: str, parent: int) -> list[str]:
    """Which children have it in their environment. Web holds no credentials of a cloud."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [
        " ".join(Path(f"/proc/{child}/cmdline").read_text().split("\0")[1:3])
        for child in children
        if variable.encode() in Path(f"/proc/{child}/environ").read_bytes()
    ]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start_demo(*arguments: str) -> subprocess.Popen[str]:
        # A port of its own: its usual one may be taken by another demo while it prepares itself.
        place = ["--state", str(tmp_path / "demo"), "--port", str(free_port())]
        command = [sys.executable, "-m", "sandbox.demo", *place]
        environ = {**os.environ, "COLUMNS": "60"}
        environ.pop("KUBECONFIG", None)
        process = subprocess.Popen(
            [*command, *arguments], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start_demo
    for process in started:
        process.terminate()
        process.communicate(timeout=60)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} did not come:\n{said}")


def test_it_runs_tasks_prints_their_table_and_leaves_nothing_running(
    start: Start, tmp_path: Path
) -> None:
    demo = start("--tasks", "4", "--weight", "0", "--exit")
    said, _ = demo.communicate(timeout=SECONDS)
    assert demo.returncode == 0, said
    assert "4 of 4 Tasks ended as their repository demands." in said
    assert re.search(r"droplets\b.*\b4\b", said)
    assert re.search(r"kubernetes\b.*\b0\b", said)
    assert re.search(r"Authorization: Bearer sy_\S+$", said, re.MULTILINE)
    assert running_under(tmp_path) == []


def test_both_backends_run_tasks_side_by_side(start: Start, tmp_path: Path) -> None:
    demo = start("--tasks", "16", "--weight", "50", "--exit")
    said, _ = demo.communicate(timeout=SECONDS)
    assert demo.returncode == 0, said
    assert "16 of 16 Tasks ended as their repository demands." in said
    assert running_under(tmp_path) == []


def test_a_weight_beyond_100_percent_is_refused(start: Start) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "sandbox.demo", "--weight", "150"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert demo.returncode == 2
    assert "--weight: '150': give a number from 0 to 100" in demo.stderr


def test_ctrl_c_stops_everything(start: Start, tmp_path: Path) -> None:
    demo = start("--tasks", "2")
    read_until(demo, "Everything goes on running")
    assert running_under(tmp_path / "demo" / "cloud")
    for credential in ("SWITCHYARD_DIGITALOCEAN_TOKEN", "SWITCHYARD_KUBECONFIG"):
        assert holders_of(credential, demo.pid) == ["manage.py controller"]
    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 130
    assert running_under(tmp_path) == []


def test_a_second_one_is_refused_and_after_a_kill_the_next_ends_what_was_left(
    start: Start, tmp_path: Path
) -> None:
    killed = start("--tasks", "2")
    read_until(killed, "Everything goes on running")
    refused = start("--tasks", "2")
    assert "A demo runs here already" in refused.communicate(timeout=SECONDS)[0]
    assert refused.returncode == 1
    killed.kill()
    killed.wait(10)
    said, _ = start("--tasks", "2", "--exit").communicate(timeout=SECONDS)
    assert "2 of 2 Tasks" in said
    wait_until(lambda: not running_under(tmp_path))


def test_a_task_that_ends_otherwise_or_not_at_all_is_named() -> None:
    rails = Rails("http://127.0.0.1:1", "", {})
    rails.expected = {"a": "passed", "b": "failed", "c": "build_failed"}
    found = {
        "a": {"state": "passed", "category": "passed", "sentence": ""},
        "b": {"state": "passed", "category": "passed", "sentence": "Every test passed."},
    }
    lines = wrong(rails, found)
    assert [line.partition(":")[0] for line in lines] == ["Task b", "Task c"]
