"""Output of any size and kind: what is kept of it, and that nothing breaks over it."""

import re
from pathlib import Path

import pytest

from tests.cluster.elsewhere import Elsewhere
from tests.cluster.plane import ENDED, Plane
from tests.cluster.plane_settings import SETTINGS
from tests.cluster.repositories import Project, junit

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

DOCKERFILE = "FROM {busybox}\nWORKDIR /app\nCOPY . .\n"
CAP = int(SETTINGS["SWITCHYARD_LOG_CAP_BYTES"])
LONG = 100_000_000
LINE = b"a line like thousands of others, of which only some are kept\n"
FRAME = "the very first line\nthe very last line\n"
# What it holds is not to be a matter of how long its log is.
MOST_MEMORY = 60_000_000
NO_TEXT = b"\xff\xfe\xc0\x80 no text \xf5\n"
TIMES = 200_000
LONG_LOG = f"""\
#!/bin/sh
set -e
echo "the very first line"
yes '{LINE.decode().strip()}' | head -c {LONG}
echo "the very last line"
{junit()}"""
NO_TEXT_ON_STDERR = f"""\
#!/bin/sh
set -e
yes "$(printf '\\377\\376\\300\\200 no text \\365')" | head -n {TIMES} >&2
echo done
{junit()}"""


@pytest.fixture(scope="module")
def tasks(plane: Plane) -> dict[str, str]:
    tests = {"long-log": LONG_LOG, "no-text": NO_TEXT_ON_STDERR}
    return {
        name: plane.run(Project(name=name, dockerfile=DOCKERFILE, test=test))
        for name, test in tests.items()
    }


def test_of_a_log_of_100_mb_head_and_tail_are_kept(plane: Plane, tasks: dict[str, str]) -> None:
    task = tasks["long-log"]
    peaks = [0]

    def ended_or_measured() -> bool:
        peaks.append(_peak_memory(plane, task))
        return plane.task(task)["state"] in ENDED

    plane.wait(ended_or_measured, 120, lambda: plane.story(task)[:20_000])
    assert isinstance(plane.layout, Elsewhere) or 10_000_000 < max(peaks) < MOST_MEMORY
    ended = plane.task(task)
    assert ended["category"] == "passed", plane.story(task)[:20_000]
    kept = plane.log(task, "test")
    (told,) = re.finditer(rb"\[(\d+) bytes are left out here: .*\]\n", kept)
    assert CAP * 0.9 < len(kept) < CAP * 1.1
    assert kept.startswith(b"the very first line\n" + LINE)
    assert kept.endswith(b"the very last line\n")
    assert CAP * 0.4 < told.start() < CAP * 0.6, "half of it is the beginning, half the end"
    assert len(kept) - len(told.group()) + int(told.group(1)) == LONG + len(FRAME)
    plane.wait_gone(task)


def test_what_is_no_text_is_kept_byte_for_byte(plane: Plane, tasks: dict[str, str]) -> None:
    task = tasks["no-text"]
    ended = plane.wait_end(task)
    assert ended["category"] == "passed", plane.story(task)[:20_000]
    assert plane.log(task, "test") == NO_TEXT * TIMES + b"done\n"
    plane.wait_gone(task)


def _peak_memory(plane: Plane, task: str) -> int:
    """In bytes, of the agent's process, since it began; 0 where none runs, or nobody can tell: our
    nodes are this machine."""
    uids = [pod["metadata"]["uid"] for pod in plane.pods(task)]
    peaks = [
        int(found.group(1)) * 1024
        for process in Path("/proc").glob("[0-9]*")
        if any(uid in _read(process / "cgroup") for uid in uids)
        and "switchyard_agent\0job" in _read(process / "cmdline")
        and (found := re.search(r"VmHWM:\s+(\d+) kB", _read(process / "status")))
    ]
    return max(peaks, default=0)


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
