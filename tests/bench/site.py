"""The processes that are measured: real ones, on a throw-away PostgreSQL."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from sandbox.stack.process import Process, answers
from sandbox.stack.stack import ROOT, free_port

SECONDS_TO_START = 60.0
SECONDS_TO_STOP = 15.0
# One process with threads: what it does in a second is what its requests cost.
WEB = ("--workers", "1", "--worker-class", "gthread", "--threads", "4", "--keep-alive", "60")
# There is no cloud: its address leads to a closed port of this machine. No Worker is missed for
# the silence of an agent that does not exist.
QUIET = {
    "SWITCHYARD_SECRET_KEY": "only-for-benchmarks",
    "SWITCHYARD_SECURE_COOKIES": "false",
    "SWITCHYARD_LOG_LEVEL": "WARNING",
    "SWITCHYARD_BACKENDS": "droplets",
    "SWITCHYARD_WORKER_SILENCE_SECONDS": "3600",
    "SWITCHYARD_DIGITALOCEAN_ENDPOINT": "http://127.0.0.1:9/v2/",
    "SWITCHYARD_DIGITALOCEAN_TOKEN": "none",
    "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
}


@dataclass(frozen=True, kw_only=True)
class Web:
    """A running web process. `pids` are its workers, which do the work."""

    port: int
    process: Process

    @property
    def pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def cpu_seconds(self) -> float:
        """User and system time that its workers have used, to the kernel's tick."""
        ticks = sum(_ticks(pid) for pid in self.pids)
        return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Site:
    """One database of the server, and the processes that work on it."""

    def __init__(self, server_url: str, database: str, folder: Path) -> None:
        self.folder = folder
        self.database_url = f"{server_url.rpartition('/')[0]}/{database}"

    def connect(self) -> None:
        """Let the connection of this process lead there."""
        connection.close()
        connection.settings_dict["NAME"] = self.database_url.rpartition("/")[2]

    def environment(self, **settings: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "SWITCHYARD" not in name}
        return {**kept, **QUIET, "DATABASE_URL": self.database_url, **settings}

    @contextmanager
    def web(self, **settings: str) -> Iterator[Web]:
        port = free_port()
        bind = ("--bind", f"127.0.0.1:{port}")
        process = self._process(
            "web", "-m", "gunicorn", "controlplane.wsgi", *WEB, *bind, **settings
        )
        with _running(process):
            url = f"http://127.0.0.1:{port}/readyz"
            process.wait_ready(lambda: answers(url), SECONDS_TO_START)
            yield Web(port=port, process=process)

    @contextmanager
    def controller(self, **settings: str) -> Iterator[Process]:
        process = self._process("controller", "manage.py", "controller", **settings)
        with _running(process):
            yield process

    @contextmanager
    def placer(self) -> Iterator["Placer"]:
        command = [sys.executable, "-m", "tests.bench.placer"]
        environment = self.environment(SWITCHYARD_SWEEP_SECONDS="3600")
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True
        )
        placer = Placer(process)
        try:
            yield placer
        finally:
            placer.stop()

    def _process(self, name: str, *arguments: str, **settings: str) -> Process:
        log = self.folder / f"{name}.log"
        return Process(name, [sys.executable, *arguments], self.environment(**settings), ROOT, log)


MakeSite = Callable[[str], Site]


@contextmanager
def _running(process: Process) -> Iterator[None]:
    process.start()
    try:
        yield
    finally:
        process.stop()


class Placer:
    """`tests.bench.placer` in its process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin and process.stdout
        self._process, self._input, self._output = process, process.stdin, process.stdout

    def do(self, name: str, **facts: int) -> Any:
        self._input.write(json.dumps({"do": name, **facts}) + "\n")
        self._input.flush()
        line = self._output.readline()
        if not line:
            raise AssertionError("the process that places has ended: see above")
        return json.loads(line)

    def stop(self) -> None:
        """It ends when nobody speaks to it any more."""
        with contextlib.suppress(OSError):
            self._input.close()
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()


def copy_database(server_url: str, source: str, name: str) -> None:
    """Nobody may be connected to `source`."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(f"{server_url.rpartition('/')[0]}/postgres", autocommit=True) as server:
        server.execute(statement.format(sql.Identifier(name), sql.Identifier(source)))
