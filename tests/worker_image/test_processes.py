from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tests.waiting import wait_until
from worker_image.switchyard_agent.errors import StepFailed, Stopped, TimedOut
from worker_image.switchyard_agent.processes import LastLines, Runner
from worker_image.switchyard_agent.stopping import Stop

ENV = {"PATH": os.environ["PATH"]}


def runner(seconds: float = 30, stop: Stop | None = None) -> Runner:
    ends_at = time.monotonic() + seconds
    return Runner(stop=stop or Stop(1), ends_at=ends_at, grace_seconds=1)


def sh(
    script: str, tmp_path: Path, output: list[bytes] | None = None, by: Runner | None = None
) -> int:
    sink = (output if output is not None else []).append
    return (by or runner()).run(("sh", "-c", script), cwd=tmp_path, env=ENV, sink=sink)


@pytest.mark.parametrize(
    ("script", "code"), [("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)]
)
def test_the_exit_code_is_the_commands_own(tmp_path: Path, script: str, code: int) -> None:
    assert sh(script, tmp_path) == code


def test_output_and_errors_come_in_their_order(tmp_path: Path) -> None:
    output: list[bytes] = []
    sh("echo one; echo two >&2; echo three; cat", tmp_path, output)
    assert b"".join(output) == b"one\ntwo\nthree\n"


def test_a_command_that_is_not_there_ends_with_127(tmp_path: Path) -> None:
    output: list[bytes] = []
    code = runner().run(("no-such-program",), cwd=tmp_path, env=ENV, sink=output.append)
    assert code == 127
    assert b"no-such-program: No such file" in b"".join(output)


def test_a_folder_that_is_not_there_is_a_failed_step(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="gone"):
        sh("true", tmp_path / "gone")


def test_the_timeout_carries_the_exit_code_that_it_caused(tmp_path: Path) -> None:
    with pytest.raises(TimedOut) as caught:
        sh("sleep 300", tmp_path, by=runner(0.3))
    assert caught.value.exit_code == 143


def test_a_command_that_is_ended_just_before_the_agent_counts_as_stopped(tmp_path: Path) -> None:
    stop = Stop(1)
    threading.Timer(0.2, stop.request, ("terminated",)).start()
    with pytest.raises(Stopped, match="terminated") as caught:
        sh("kill -15 $$", tmp_path, by=runner(stop=stop))
    assert caught.value.exit_code == 143


def test_nothing_is_started_after_a_stop_was_requested(tmp_path: Path) -> None:
    stop = Stop(1)
    stop.request("cancelled")
    with pytest.raises(Stopped, match="cancelled") as caught:
        sh("touch begun", tmp_path, by=runner(stop=stop))
    assert caught.value.exit_code is None
    assert not (tmp_path / "begun").exists()


def test_a_sink_that_fails_ends_the_command(tmp_path: Path) -> None:
    def fail(data: bytes) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        runner().run(
            ("sh", "-c", "echo $$ > pid; echo a; sleep 300"), cwd=tmp_path, env=ENV, sink=fail
        )
    pid = (tmp_path / "pid").read_text().strip()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_the_last_lines_are_remembered_and_passed_on() -> None:
    passed: list[bytes] = []
    output = LastLines(passed.append)
    for number in range(1000):
        output(b"line %d\n" % number)
    assert output.text() == "line 997\nline 998\nline 999"
    assert len(passed) == 1000
