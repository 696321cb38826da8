"""Runs one command and lets nothing of it live on.

    python3 keeper.py GRACE_SECONDS COMMAND [ARGUMENT ...]

A program of its own, started by its path. It ends with the command's exit code, 128 + N where
signal N ended it, and only when every process that the command has started is gone, also those
that left its process group. When standard input ends, which it also does when the agent is killed,
the command's process group gets TERM, and KILL when the grace is over.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

PR_SET_CHILD_SUBREAPER = 36
NOT_FOUND, NOT_EXECUTABLE = 127, 126
# A process that hangs in the kernel cannot be killed: it must not keep the agent for ever.
GIVE_UP_SECONDS = 10.0


def main(argv: list[str]) -> int:
    grace, command = float(argv[1]), argv[2:]
    adopt_orphans()
    wakeups = _wake_up_on_signals()
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", flush=True)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    if _ended_from_outside(child, wakeups):
        _terminate(child, grace)
    _signal_group(child.pid, signal.SIGKILL)
    kill_descendants()
    code = child.wait()
    reap_orphans()
    return code if code >= 0 else 128 - code


def adopt_orphans() -> None:
    """Processes below that lose their parent become children of this one, wherever they are.
    Linux only; elsewhere the process group is all that is known."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wake_up_on_signals() -> int:
    """A descriptor that can be read when a child has ended or this process should end."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _ended_from_outside(child: subprocess.Popen[bytes], wakeups: int) -> bool:
    """Waits for the command; True when it must end before it has done so by itself."""
    while child.poll() is None:
        readable, _, _ = select.select([0, wakeups], [], [])
        if wakeups in readable and set(os.read(wakeups, 1024)) - {signal.SIGCHLD}:
            return True
        if 0 in readable and not os.read(0, 1):
            return child.poll() is None
    return False


def _terminate(child: subprocess.Popen[bytes], grace: float) -> None:
    until = time.monotonic() + grace
    _signal_group(child.pid, signal.SIGTERM)
    while time.monotonic() < until and _group_lives(child):
        time.sleep(0.02)


def _group_lives(child: subprocess.Popen[bytes]) -> bool:
    if child.poll() is not None:
        reap_orphans()
    return _signal_group(child.pid, 0)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_descendants() -> None:
    """Everything below this process, until nothing but zombies is left of it."""
    until = time.monotonic() + GIVE_UP_SECONDS
    while living := list(descendants(os.getpid())):
        for pid in living:
            _kill(pid)
        if time.monotonic() > until:
            return
        time.sleep(0.01)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def reap_orphans() -> None:
    """Those that were adopted and have ended. Not while a child's exit code is still wanted."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def descendants(root: int) -> Iterator[int]:
    """Every living process below `root`, zombies left out; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        waiting += below
        yield from below


def _parents() -> Iterator[tuple[int, int]]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in filter(str.isdigit, names):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name in brackets may contain anything, brackets too.
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state != b"Z":
            yield int(name), int(parent)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
