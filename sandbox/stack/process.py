"""A child process in a session of its own, with its output in a file, that never outlives us."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 15.0
TAIL_BYTES = 3000


class ProcessFailed(Exception):
    """A process ended, or did not become ready; the message has the end of its output."""


class Process:
    """`start` and `stop` may alternate; `kill` is SIGKILL, as a crash would be."""

    def __init__(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path
    ) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._env = dict(env)
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                self._argv,
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def pid(self) -> int:
        if self._child is None:
            raise ProcessFailed(f"{self.name} was never started")
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def kill(self) -> None:
        """SIGKILL the process and its group; what has a session of its own lives on."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def stop(self) -> None:
        """SIGTERM, and after a while SIGKILL for the whole session."""
        if self._child is None:
            return
        if self.running:
            self._child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def tail(self) -> str:
        text = self.log.read_bytes()[-TAIL_BYTES:] if self.log.exists() else b""
        return text.decode(errors="replace")

    def wait_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready()`; raises ProcessFailed when the process ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise ProcessFailed(f"{self.name} ended:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{self.name} is not ready after {seconds:g} s:\n{self.tail()}")
            time.sleep(0.05)


def _die_with_parent() -> None:
    """Runs in the child: if we are killed, it is asked to end."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def answers(url: str, *, at_all: bool = False) -> bool:
    """Whether a GET is answered with 200 right now, or, `at_all`, with anything."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return at_all or bool(answer.status == 200)
    except urllib.error.HTTPError:
        return at_all
    except (OSError, ValueError):
        return False
