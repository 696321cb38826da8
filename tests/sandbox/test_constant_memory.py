"""A log of a million lines takes no more memory than one of ten thousand: in the agents that send
it, in the web process that takes it, and in the one that shows it. Real processes, real HTTP."""

import http.cookiejar
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings

from sandbox.demo.rails import Rails
from sandbox.samples import create_samples
from sandbox.stack import Options, Stack
from tests.conftest import SQLITE
from tests.sandbox.peak_memory import children_of, peak_mib, running, watched

FEW, SOME, MANY = 10_000, 200_000, 1_000_000
LINE = (
    "a line of the tests that says what ran, where it stands, and how long it took: 0.123 seconds"
)
# Of what there is more for so many more lines. The longest log has 93 MiB.
MOST_MIB = 16.0
SECONDS = 90.0
PASSWORD = "a-password-of-the-tests"
AGENTS = {"kubernetes": "switchyard_agent job", "droplets": "switchyard_agent"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        settings.DATABASES["default"]["ENGINE"] != SQLITE, reason="it runs on a database of its own"
    ),
]


@dataclass(frozen=True, kw_only=True)
class Plane:
    stack: Stack
    rails: Rails

    @property
    def web_pid(self) -> int:
        (pid,) = children_of(self.stack.web.pid)
        return pid

    def run(self, backend: str, lines: int) -> float:
        """A Task whose tests print so many lines, to its pass, and its log read in both ways. The
        peak of its agent."""
        weight = "100000" if backend == "kubernetes" else "0"
        by = ("--actor", "admin", "--reason", "A test")
        self.stack.manage("weight", "--set", weight, *by)
        command = f"yes '{LINE}' | head -n {lines}; .saturnci/test"
        rails = Rails(self.stack.url, self.rails.key, self.rails.samples, {"command": command})
        with watched(lambda: running(AGENTS[backend], self.stack.state)) as peaks:
            rails.send_suite_run(self.rails.samples["passing"], 1)
            (task_id,) = rails.expected
            task = self._end_of(task_id)
        assert (task["category"], task["backend"]) == ("passed", backend), task["sentence"]
        assert lines <= paged(self, task_id) == downloaded(self, task_id)
        return max(peaks.values())

    def _end_of(self, task_id: str) -> dict[str, Any]:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            self.stack.check()
            task: dict[str, Any] = self.rails.call("GET", f"/tasks/{task_id}")
            if task["state"] in ("passed", "failed", "errored"):
                return task
            time.sleep(0.2)
        raise AssertionError(f"it has not ended: {task}")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    folder = tmp_path_factory.mktemp("plane")
    stack = Stack(
        Options(
            state=folder / "stack",
            web_workers=1,
            idle=2,
            limit=4,
            jobs=2,
            settings={"SWITCHYARD_LOG_CAP_BYTES": "200000000"},
            sandbox=("--minute-limit", "0", "--hour-limit", "0"),
        )
    )
    stack.prepare()
    stack.manage("create-admin", "--name", "admin", "--password-stdin", stdin=PASSWORD)
    samples = create_samples(folder / "repositories")
    rails = Rails(stack.url, stack.create_api_key(), samples, {})
    try:
        stack.start()
        yield Plane(stack=stack, rails=rails)
    finally:
        stack.stop()


@pytest.mark.parametrize(("backend", "lines"), [("kubernetes", MANY), ("droplets", SOME)])
def test_a_long_log_takes_the_memory_of_a_short_one_to_send_to_take_and_to_read(
    plane: Plane, backend: str, lines: int
) -> None:
    short = plane.run(backend, FEW)
    web_short = peak_mib(plane.web_pid)
    long = plane.run(backend, lines)
    web_long = peak_mib(plane.web_pid)
    measured = f"agent {short:.1f}, {long:.1f}; web {web_short:.1f}, {web_long:.1f} MiB"
    assert long - short < MOST_MIB and web_long - web_short < MOST_MIB, measured


def paged(plane: Plane, task_id: str) -> int:
    """How many lines, read as Rails reads them."""
    offset, length, lines = 0, 1, 0
    headers = {"Authorization": f"Bearer {plane.rails.key}"}
    while offset < length:
        url = f"{plane.stack.url}/api/v1/tasks/{task_id}/logs/test?offset={offset}"
        with urllib.request.urlopen(urllib.request.Request(url, None, headers)) as answer:
            lines += answer.read().count(b"\n")
            offset = int(answer.headers["Log-Next-Offset"])
            length = int(answer.headers["Log-Length"])
    return lines


def downloaded(plane: Plane, task_id: str) -> int:
    """How many lines the console's plain text has."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    log_in(browser, plane.stack.url)
    lines = 0
    with browser.open(f"{plane.stack.url}/tasks/{task_id}/logs/1/test") as answer:
        while piece := answer.read(1 << 20):
            lines += piece.count(b"\n")
    return lines


def log_in(browser: urllib.request.OpenerDirector, url: str) -> None:
    with browser.open(f"{url}/login/") as page:
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.read().decode())
    assert found
    fields = {"csrfmiddlewaretoken": found[1], "username": "admin", "password": PASSWORD}
    with browser.open(f"{url}/login/", urllib.parse.urlencode(fields).encode()) as page:
        assert page.status == 200
