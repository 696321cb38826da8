"""The wrapper, as a process: which files it answers with which."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_until
from tests.worker_image.busyboxes import KINDS, make_busybox
from tests.worker_image.conftest import lives, wait_for_pids

WRAPPER = Path(__file__).resolve().parents[2] / "worker_image" / "wrapper"

OURS = ("BUSYBOX", "CTL_DIR", "OUT_DIR", "CGROUP_DIR")


class Wrapper:
    """One wrapper that runs. `steps` are written as the agent does, all of them or nothing."""

    def __init__(self, busybox: Path, folder: Path) -> None:
        self.ctl, self.out = folder / "ctl", folder / "out"
        self.workdir = folder / "workdir"
        for place in (self.ctl, self.out, self.workdir, folder / "cgroup"):
            place.mkdir()
        self.events = folder / "cgroup" / "memory.events"
        self.process = subprocess.Popen(
            [str(busybox), "sh", str(WRAPPER)],
            cwd=self.workdir,
            env={
                "PATH": os.environ["PATH"],
                "COLOUR": "green",
                "SWITCHYARD_BUSYBOX": str(busybox),
                "SWITCHYARD_CTL_DIR": str(self.ctl),
                "SWITCHYARD_OUT_DIR": str(self.out),
                "SWITCHYARD_CGROUP_DIR": str(self.events.parent),
            },
        )

    def write(self, name: str, text: str = "") -> None:
        draft = self.ctl / f".{name}"
        draft.write_text(text)
        draft.rename(self.ctl / name)

    def begin(self, number: int, script: str) -> None:
        self.write(f"step-{number}.sh", script)

    def run(self, number: int, script: str) -> tuple[int, str]:
        """Exit code and output."""
        self.begin(number, script)
        return self.code(number), self.log(number)

    def code(self, number: int) -> int:
        file = self.out / f"{number}.rc"
        wait_until(file.exists)
        return int(file.read_text())

    def log(self, number: int) -> str:
        return (self.out / f"{number}.log").read_text()

    def end(self, seconds: float = 20) -> int:
        return self.process.wait(seconds)


def assert_gone(pids: list[int]) -> None:
    wait_until(lambda: not any(map(lives, pids)))


@pytest.fixture(params=KINDS)
def wrapper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wrapper]:
    running = Wrapper(make_busybox(request.param, tmp_path), tmp_path)
    yield running
    running.write("stop")
    running.process.kill()
    running.process.wait()


def test_it_says_when_it_has_begun(wrapper: Wrapper) -> None:
    wait_until((wrapper.out / "ready").exists)
    assert not list(wrapper.out.glob("*.rc"))


def test_steps_run_one_after_the_other_with_their_own_logs_and_codes(wrapper: Wrapper) -> None:
    wrapper.begin(2, "echo two; exit 3")
    assert wrapper.run(1, "echo one >&2; cat; echo $COLOUR; pwd") == (
        0,
        f"one\ngreen\n{wrapper.workdir}\n",
    )
    assert (wrapper.code(2), wrapper.log(2)) == (3, "two\n")


def test_it_ends_with_0_when_it_may_whatever_the_steps_ended_with(wrapper: Wrapper) -> None:
    assert wrapper.run(1, "exit 9")[0] == 9
    assert wrapper.process.poll() is None
    wrapper.write("quit")
    assert wrapper.end() == 0


def test_it_may_go_without_having_run_anything(wrapper: Wrapper) -> None:
    wrapper.write("quit")
    assert wrapper.end() == 0


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("kill -9 $$", 137),
        ("kill -15 $$", 143),
        ("trap '' TERM; kill -TERM 0; exit 5", 5),
        ("kill -9 0", 137),
        ("syntax ( error", 2),
        ("no-such-program", 127),
    ],
)
def test_a_steps_code_is_its_own_however_it_ends(wrapper: Wrapper, script: str, code: int) -> None:
    assert wrapper.run(1, script)[0] == code
    assert wrapper.run(2, "echo next") == (0, "next\n")


def ignored_here() -> int:
    """What whoever started us ignored, as `nohup` does: every child inherits it."""
    (line,) = [one for one in Path("/proc/self/status").read_text().splitlines() if "SigIgn" in one]
    return int(line.split()[1], 16)


def test_a_step_leads_a_process_group_and_ignores_no_signal(wrapper: Wrapper) -> None:
    _, log = wrapper.run(1, "/bin/grep SigIgn /proc/$$/status; cut -d' ' -f5,6 /proc/$$/stat")
    ignored, ids = log.splitlines()
    group, session = ids.split()
    assert int(ignored.split()[1], 16) & ~ignored_here() == 0
    assert group == session != str(wrapper.process.pid)


def test_the_variables_of_a_step_are_those_of_the_container(wrapper: Wrapper) -> None:
    code, log = wrapper.run(1, "env")
    names = {line.partition("=")[0] for line in log.splitlines()}
    ours = {"PATH", "COLOUR", *(f"SWITCHYARD_{name}" for name in OURS)}
    assert (code, names - {"PWD", "OLDPWD", "SHLVL", "_"}) == (0, ours)


def test_nothing_of_its_group_outlives_a_step(wrapper: Wrapper) -> None:
    pids = wrapper.out / "pids"
    assert wrapper.run(1, f"(trap '' TERM HUP; sleep 300) & echo $! > {pids}")[0] == 0
    assert_gone(wait_for_pids(pids, 1))


def test_stop_ends_the_step_and_no_further_one_is_run(wrapper: Wrapper) -> None:
    wrapper.begin(1, "trap 'echo asked; exit 4' TERM; echo begun; sleep 300 & wait")
    wait_until(lambda: "begun" in wrapper.log(1) if (wrapper.out / "1.log").exists() else False)
    wrapper.write("stop")
    assert (wrapper.code(1), wrapper.log(1)) == (4, "begun\nasked\n")
    wrapper.begin(2, "echo no")
    wait_until((wrapper.out / "stopped").exists)
    assert not (wrapper.out / "2.log").exists()
    wrapper.write("quit")
    assert wrapper.end() == 0


def test_what_ignores_term_is_killed(wrapper: Wrapper) -> None:
    pids = wrapper.out / "pids"
    wrapper.begin(1, f"trap '' TERM; echo $$ > {pids}; sleep 300 & echo $! >> {pids}; wait; wait")
    living = wait_for_pids(pids, 2)
    wrapper.write("stop")
    assert wrapper.code(1) == 137
    assert_gone(living)


@pytest.mark.parametrize("answer", ["exit 0", ":"])
def test_term_ends_the_step_with_143_and_the_wrapper_soon_after(
    wrapper: Wrapper, answer: str
) -> None:
    pids = wrapper.out / "pids"
    script = f"trap 'echo asked; {answer}' TERM; echo $$ > {pids}; while :; do sleep 0.1; done"
    wrapper.begin(1, script)
    living = wait_for_pids(pids, 1)
    began = time.monotonic()
    wrapper.process.send_signal(signal.SIGTERM)
    assert wrapper.end() == 143
    assert time.monotonic() - began < 5
    assert wrapper.code(1) == 143
    assert "asked\n" in wrapper.log(1)
    assert (wrapper.out / "terminated").exists()
    assert_gone(living)


def test_term_ends_a_waiting_wrapper_at_once(wrapper: Wrapper) -> None:
    wait_until((wrapper.out / "ready").exists)
    wrapper.process.send_signal(signal.SIGTERM)
    assert wrapper.end(3) == 143
    assert (wrapper.out / "terminated").exists()


def test_it_says_that_it_was_terminated_before_it_tells_the_code(wrapper: Wrapper) -> None:
    """Or the agent would take 143 for a verdict of the tests."""
    wrapper.begin(1, "echo begun; sleep 300")
    wait_until((wrapper.out / "1.log").exists)
    wrapper.process.send_signal(signal.SIGTERM)
    wait_until((wrapper.out / "1.rc").exists)
    order = [(wrapper.out / name).stat().st_mtime_ns for name in ("terminated", "1.rc")]
    assert order == sorted(order)
    assert wrapper.end() == 143


def test_it_notes_that_the_memory_limit_killed_something(wrapper: Wrapper) -> None:
    wrapper.events.write_text("low 0\noom 0\noom_kill 0\noom_group_kill 0\n")
    assert wrapper.run(1, "true")[0] == 0
    assert not (wrapper.out / "1.oom").exists()
    script = f"printf 'oom 1\\noom_kill 2\\n' > {wrapper.events}; exit 137"
    assert wrapper.run(2, script)[0] == 137
    assert (wrapper.out / "2.oom").read_text() == "2\n"


def test_it_writes_nowhere_but_into_out(wrapper: Wrapper) -> None:
    assert wrapper.run(1, "true")[0] == 0
    assert [path.name for path in wrapper.ctl.iterdir()] == ["step-1.sh"]
    assert list(wrapper.workdir.iterdir()) == []


def test_the_agent_may_read_what_it_wrote(wrapper: Wrapper) -> None:
    wrapper.run(1, "true")
    for name in ("ready", "1.log", "1.rc"):
        assert (wrapper.out / name).stat().st_mode & 0o777 == 0o644


def test_a_huge_output_is_no_burden(wrapper: Wrapper) -> None:
    code, log = wrapper.run(1, "seq 1 300000")
    assert code == 0
    assert log.splitlines() == [str(number) for number in range(1, 300_001)]
