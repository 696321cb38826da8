"""Runs the commands of the steps, each under a keeper, until they end or have to."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import Interrupted, StepFailed, Stopped, TimedOut
from .keeper import kill_descendants, reap_orphans
from .stopping import Stop

KEEPER = Path(__file__).with_name("keeper.py")
LOOK_UP_SECONDS = 0.2
# Beyond the grace: for the keeper to kill what did not end by itself.
KEEPER_SECONDS = 15.0
PIPE_BYTES = 64 * 1024
SIGNALLED = 128
SHUTDOWN_SECONDS = 0.5

Sink = Callable[[bytes], None]


@dataclass(frozen=True, kw_only=True)
class Runner:
    """`ends_at` is the Task's timeout on the monotonic clock. One command at a time."""

    stop: Stop
    ends_at: float
    grace_seconds: float

    def run(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], sink: Sink) -> int:
        """The command's exit code, 128 + N where signal N ended it. Standard output and error go
        to `sink` as they come. When this returns or raises, nothing of the command runs any more.
        Raises Stopped or TimedOut, with the exit code where the command had begun."""
        self.check()
        keeper = self._start(argv, cwd, env)
        try:
            interruption = self._pass_on(keeper, sink)
        finally:
            code = self._end(keeper)
        if interruption is None and code > SIGNALLED:
            # A machine that shuts down tells everybody to end, the command perhaps first.
            self.stop.requested.wait(SHUTDOWN_SECONDS)
            interruption = self._interruption()
        if interruption:
            raise type(interruption)(str(interruption), exit_code=code)
        return code

    def check(self) -> None:
        """Raises what ends the work now, if anything does."""
        self.stop.check()
        if time.monotonic() >= self.ends_at:
            raise TimedOut("the Task's timeout is over")

    def _start(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(KEEPER), str(self.grace_seconds), *argv],
                cwd=cwd,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise StepFailed(f"{argv[0]} cannot be started in {cwd}: {error}") from error

    def _pass_on(self, keeper: subprocess.Popen[bytes], sink: Sink) -> Interrupted | None:
        """Until the output ends, which is when every process is gone, or it has to be given up."""
        assert keeper.stdin and keeper.stdout
        interruption, give_up_at = None, float("inf")
        with selectors.DefaultSelector() as selector:
            selector.register(keeper.stdout, selectors.EVENT_READ)
            while time.monotonic() < give_up_at:
                if selector.select(LOOK_UP_SECONDS):
                    if not (data := os.read(keeper.stdout.fileno(), PIPE_BYTES)):
                        break
                    sink(data)
                elif keeper.poll() is not None:
                    break
                if interruption is None and (interruption := self._interruption()):
                    keeper.stdin.close()
                    give_up_at = time.monotonic() + self.grace_seconds + KEEPER_SECONDS
        return interruption

    def _interruption(self) -> Interrupted | None:
        try:
            self.check()
        except (Stopped, TimedOut) as interruption:
            return interruption
        return None

    def _end(self, keeper: subprocess.Popen[bytes]) -> int:
        assert keeper.stdin and keeper.stdout
        with contextlib.suppress(BrokenPipeError):
            keeper.stdin.close()
        keeper.stdout.close()
        try:
            code = keeper.wait(self.grace_seconds + KEEPER_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(keeper.pid, signal.SIGKILL)
            code = keeper.wait()
        if code < 0:
            # Killed itself, it kept nothing: what it left has become this process's own.
            kill_descendants()
            reap_orphans()
        return code if code >= 0 else 128 - code


class LastLines:
    """A sink that remembers the end of what it passes on, to be quoted when a step fails."""

    REMEMBERED_BYTES = 2000

    def __init__(self, sink: Sink) -> None:
        self._sink, self._end = sink, b""

    def __call__(self, data: bytes) -> None:
        self._end = (self._end + data)[-self.REMEMBERED_BYTES :]
        self._sink(data)

    def text(self, lines: int = 3) -> str:
        return "\n".join(self._end.decode("utf-8", "replace").strip().splitlines()[-lines:])
