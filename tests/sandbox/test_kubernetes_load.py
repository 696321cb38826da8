"""Many Jobs at once: no call gets slower by what is there already, and memory is given back.

What is measured is the server's own CPU time, so other work on this machine changes nothing.
"""

import time
from pathlib import Path

import pytest

from tests.sandbox.kubernetes_api import Api, Running

JOBS, ROUND = 300, 100
# Of the CPU time of a call with hundreds of Jobs there, against the same call with hardly any.
SLOWER = 3.0
KILOBYTES_FOR_A_JOB = 100.0


SERVER_OPTIONS = ("--nodes", "4", "--speed", "60")


def cpu_seconds(server: Running) -> float:
    """Of all threads of the process so far: the clock of another process, as clock_getcpuclockid
    names it."""
    return time.clock_gettime((~server.server.process.pid << 3) | 2)


def resident_kilobytes(server: Running) -> float:
    status = Path(f"/proc/{server.server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return float(line.split()[1])


def make(api: Api, names: list[str]) -> None:
    """Returns when each has its pod."""
    wanted = pods(api) + len(names)
    for name in names:
        api.create_job(name)
    api.cluster.wait(lambda: pods(api) == wanted, 100)


def pods(api: Api) -> int:
    count: int = api.state()["objects"].get("pods", 0)
    return count


def cost(server: Running, api: Api, names: list[str]) -> float:
    """CPU seconds for making these Jobs and their pods, and for reading each once."""
    before = cpu_seconds(server)
    make(api, names)
    for name in names:
        api.job(name)
    return cpu_seconds(server) - before


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number:03}" for number in range(count)]


def clear(api: Api) -> None:
    query = {"propagationPolicy": "Background"}
    api.must("DELETE", api.at("jobs"), query)
    api.cluster.wait(lambda: pods(api) == 0, 100)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_job_costs_no_more_among_hundreds_than_alone(server: Running, api: Api) -> None:
    cost(server, api, names("warm", 20))
    alone = cost(server, api, names("first", ROUND))
    make(api, names("more", JOBS - 2 * ROUND))
    among = cost(server, api, names("last", ROUND))
    assert among <= SLOWER * alone, (alone, among)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_memory_grows_with_what_is_there_and_not_with_what_was(server: Running, api: Api) -> None:
    make(api, names("warm", 20))
    clear(api)
    before = resident_kilobytes(server)
    make(api, names("first", JOBS))
    after_one = resident_kilobytes(server)
    assert after_one - before <= JOBS * KILOBYTES_FOR_A_JOB
    for prefix in ("second", "third"):
        clear(api)
        api.must("PUT", "/sandbox/compact")
        make(api, names(prefix, JOBS))
    grown = resident_kilobytes(server) - after_one
    assert grown <= 0.5 * JOBS * KILOBYTES_FOR_A_JOB, (before, after_one, grown)
