"""A PostgreSQL server for the length of a `with` block.

    with throwaway_postgres() as url: ...
    with postgres_server() as server: server.restart(); connect(server.url)

For tests only: it trades all safety against power loss for speed. The server listens on a free
port of 127.0.0.1 and is gone, with its files, when the block ends, however it ends; if this
process is killed with SIGKILL the server still stops, but its folder stays in the temporary
directory.
"""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.ports import free_port

USER = "switchyard"
DATABASE = "switchyard"
START_SECONDS = 30.0
STOP_SECONDS = 20.0
TAKEN_PORT = "Address already in use"
# After SIGKILL its children take a moment to notice and to go.
OLD_SERVER_LEAVING = "pre-existing shared memory block"
PROGRAMS = ("initdb", "postgres")
# What is committed survives the death of the server, only not that of the machine.
FAST: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
}


class PostgresError(Exception):
    """The throw-away server could not be made; the message holds what PostgreSQL said."""


def postgres_bin() -> Path | None:
    """The folder of PostgreSQL's server programs: that on PATH, else the newest of Debian's."""
    on_path = shutil.which("postgres")
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _version(path.parent.name)
    )
    candidates = [Path(on_path).resolve().parent] if on_path else []
    for folder in candidates + debian[::-1]:
        if all(os.access(folder / program, os.X_OK) for program in PROGRAMS):
            return folder
    return None


def _version(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


@contextmanager
def throwaway_postgres(settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Gives `postgresql://user:password@127.0.0.1:port/name` of an empty database."""
    with postgres_server(settings) as server:
        yield server.url


@contextmanager
def postgres_server(settings: Mapping[str, str] | None = None) -> Iterator["PostgresServer"]:
    """Gives the running server itself. `settings` are lines of postgresql.conf.

    Raises PostgresError when PostgreSQL is missing or does not start.
    """
    binaries = postgres_bin()
    if binaries is None:
        raise PostgresError("PostgreSQL was not found: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="switchyard-pg-"))
    server = PostgresServer(binaries, folder, {**FAST, **(settings or {})})
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        try:
            server.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class PostgresServer:
    """One server process and its folder. `start`, `stop` and `restart` keep data and port."""

    def __init__(self, binaries: Path, folder: Path, settings: Mapping[str, str]) -> None:
        self._binaries = binaries
        self._folder = folder
        self._settings = settings
        self._user = _unprivileged_user()
        self._password = secrets.token_urlsafe(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()

    @property
    def url(self) -> str:
        return self._url(DATABASE)

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self._port}/{database}"

    def initialise(self) -> None:
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        if self._user:
            for path in (self._folder, password_file):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        command = [
            str(self._binaries / "initdb"), f"--pgdata={self._folder / 'data'}", "--no-sync",
            "--encoding=UTF8", "--locale=C.UTF-8",
            "--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password_file}",
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=START_SECONDS, **self._as_user()
        )
        if done.returncode != 0:
            raise PostgresError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def start(self) -> None:
        """Returns once the server answers. Takes another port if its own was taken meanwhile."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._launch()
            if self._wait_until_ready(deadline):
                return self._create_database()
            if TAKEN_PORT in self._log():
                self._port = free_port()
            elif OLD_SERVER_LEAVING not in self._log():
                break
        raise PostgresError(f"PostgreSQL did not start:\n{self._log()}")

    def _launch(self) -> None:
        options = {
            **self._settings,
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": str(self._folder),
        }
        command = [str(self._binaries / "postgres"), "-D", str(self._folder / "data")]
        command += [part for item in options.items() for part in ("-c", "=".join(item))]
        # A new file: children of a killed server may still be writing to the old one.
        (self._folder / "log").unlink(missing_ok=True)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us: the server goes when its users are done.
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
                **self._as_user(),
            )

    def _wait_until_ready(self, deadline: float) -> bool:
        """False when the process ended."""
        process = self._process
        while process is not None and process.poll() is None:
            try:
                psycopg.connect(self._url("postgres"), connect_timeout=5).close()
                return True
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    self.stop()
                time.sleep(0.05)
        return False

    def _create_database(self) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            exists = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(exists, [DATABASE]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> None:
        """SIGINT breaks connections off and shuts down; SIGKILL is the crash of a server."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # Immediate shutdown: PostgreSQL ends its own children and cleans nothing up.
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(STOP_SECONDS)
        self._process = None

    def restart(self, with_signal: signal.Signals = signal.SIGINT) -> None:
        """From the main thread: Linux would stop the server when another one ended."""
        self.stop(with_signal)
        self.start()

    def _log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-4000:]

    def _as_user(self) -> dict[str, Any]:
        common: dict[str, Any] = {"cwd": self._folder, "env": {**os.environ, "LC_ALL": "C"}}
        if self._user:
            common |= {
                "user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": [],
            }  # fmt: skip
        return common


def _unprivileged_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: then whom to run it as. None: as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresError("running as root, and there is no user postgres or nobody to run it as")


def _die_with(parent: int) -> Callable[[], None] | None:
    """Asks Linux to stop the server when this process is killed without a chance to do so."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1

    def in_the_child() -> None:
        prctl(set_parent_death_signal, signal.SIGINT)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return in_the_child
