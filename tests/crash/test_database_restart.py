"""The database goes away and comes back while Tasks run on both backends: no process ends, no Task
is lost, and none has to be run again."""

import signal
from pathlib import Path

import pytest

from sandbox.demo.rails import Rails
from sandbox.samples import create_samples
from sandbox.stack import Options, Stack
from tests.postgres import PostgresServer, postgres_bin, postgres_server
from tests.waiting import wait_until

ENDED = {"passed", "failed", "errored", "cancelled"}
TASKS = 12
HALF = "50000"
SECONDS = 120.0


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(postgres_bin() is None, reason="restarts PostgreSQL")
def test_every_task_gets_its_verdict_while_the_database_restarts(tmp_path: Path) -> None:
    with postgres_server() as server:
        limits = ("--minute-limit", "0", "--hour-limit", "0")
        stack = Stack(
            Options(state=tmp_path, database_url=server.url, idle=4, jobs=4, sandbox=limits)
        )
        try:
            stack.prepare()
            stack.manage("weight", "--set", HALF, "--actor", "test", "--reason", "Both of them")
            samples = create_samples(tmp_path / "repositories")
            rails = Rails(stack.url, stack.create_api_key(), samples)
            stack.start()
            rails.send(TASKS)
            _restart_now_and_then(server, rails)
            wait_until(lambda: _ended(rails) == TASKS, SECONDS)
            stack.check()
            tasks = {key: rails.call("GET", f"/tasks/{key}") for key in rails.expected}
        finally:
            stack.stop()
    assert {key: task["category"] for key, task in tasks.items()} == rails.expected
    again = [key for key, task in tasks.items() if len(task["attempts"]) > 1]
    assert not again, f"tried again: {again}"


def _restart_now_and_then(server: PostgresServer, rails: Rails) -> None:
    """Once in an orderly way, and once as a crash, each time with Tasks under way."""
    wait_until(lambda: _ended(rails) >= 1, SECONDS)
    server.restart(signal.SIGINT)
    wait_until(lambda: _ended(rails) >= 5, SECONDS)
    server.restart(signal.SIGKILL)


def _ended(rails: Rails) -> int:
    return sum(task["state"] in ENDED for task in rails.states().values())
