"""Finding, asking and ending every process of a container, with nothing but /proc.

A process belongs to a container when its environment carries the container's mark, or when it
descends from one that does. The container's shim carries the mark and adopts orphans, so a process
with its own session and an emptied environment is found too. Marks are paths: whoever is asked for
`a/b` finds `a/b/c` as well.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "SANDBOX_CONTAINER"
_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    started: int  # clock ticks since the machine booted


def read_process(pid: int) -> Process | None:
    """None when it is gone, or dead and only not reaped yet."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Process(pid=pid, parent=int(fields[1]), started=int(fields[19]))


def lives(pid: int, started: int) -> bool:
    """Whether this very process lives, not another one that got its number."""
    process = read_process(pid)
    return process is not None and process.started == started


def census(mark: str) -> list[Process]:
    """The living processes whose mark is this one or lies below it."""
    pids = (int(name) for name in os.listdir(_PROC) if name.isdigit())
    alive = {process.pid: process for process in map(read_process, pids) if process}
    found = {pid for pid in alive if _belongs(pid, mark)}
    while children := {p.pid for p in alive.values() if p.parent in found} - found:
        found |= children
    return [alive[pid] for pid in found]


def _belongs(pid: int, mark: str) -> bool:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    prefix = f"{MARK}=".encode()
    own = next((i for i in environment.split(b"\0") if i.startswith(prefix)), None)
    return own is not None and (own + b"/").startswith(f"{MARK}={mark}/".encode())


def kill_all(mark: str, timeout: float = 10.0) -> int:
    """End every process of this mark at once. Returns how many.

    They are frozen first, until no new one shows up: what cannot run can neither fork out of
    reach nor notice that its children die. Then children end before their parents, so that
    somebody who dies in the middle of this leaves nothing that cannot be found again.
    """
    frozen: dict[tuple[int, int], Process] = {}
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = {(p.pid, p.started): p for p in census(mark)}
        fresh = [process for key, process in found.items() if key not in frozen]
        if not fresh:
            break
        _signal(fresh, signal.SIGSTOP)
        frozen |= found
    pids = {process.pid for process in frozen.values()}
    roots = [process for process in frozen.values() if process.parent not in pids]
    for group in ([p for p in frozen.values() if p not in roots], roots):
        _signal(group, signal.SIGKILL)
        _wait_for(group, deadline)
    return len(frozen)


def send(pid: int, started: int, number: signal.Signals) -> None:
    _signal([Process(pid=pid, parent=0, started=started)], number)


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for this signal. Process 1 of a real container gets no
    other signal from within its kernel: the default action does not apply to it."""
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return False
    caught = next((line for line in status.splitlines() if line.startswith("SigCgt:")), ":0")
    return bool(int(caught.partition(":")[2], 16) >> (number - 1) & 1)


def _signal(processes: Iterable[Process], number: signal.Signals) -> None:
    for process in processes:
        if lives(process.pid, process.started):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, number)


def _wait_for(ending: list[Process], deadline: float) -> None:
    while any(lives(p.pid, p.started) for p in ending) and time.monotonic() < deadline:
        time.sleep(0.002)
