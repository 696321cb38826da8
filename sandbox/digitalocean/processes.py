"""Finding and ending every process of a droplet, with nothing but /proc.

A process belongs to a droplet when its environment carries the droplet's mark, or when it descends
from one that does. The droplet's process 1 carries the mark and adopts orphans, so a process with
its own session and an emptied environment is found too.
"""

import os
import signal
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "SANDBOX_DROPLET"
_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    state: str
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
    return Process(pid=pid, parent=int(fields[1]), state=fields[0], started=int(fields[19]))


def _mark_of(pid: int) -> str | None:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    prefix = f"{MARK}=".encode()
    for item in environment.split(b"\0"):
        if item.startswith(prefix):
            return item[len(prefix) :].decode(errors="replace")
    return None


def census(marks: Collection[str]) -> dict[str, list[Process]]:
    """The living processes of each of these droplets, by mark."""
    pids = (int(name) for name in os.listdir(_PROC) if name.isdigit())
    alive = {process.pid: process for process in map(read_process, pids) if process}
    owners = {pid: mark for pid in alive if (mark := _mark_of(pid)) in marks and mark}
    while children := {
        p.pid: owners[p.parent]
        for p in alive.values()
        if p.parent in owners and p.pid not in owners
    }:
        owners |= children
    return {mark: [alive[pid] for pid in owners if owners[pid] == mark] for mark in marks}


def members(marks: Collection[str]) -> list[Process]:
    return [process for found in census(marks).values() for process in found]


def kill_all(marks: Collection[str], timeout: float = 10.0) -> int:
    """End every process of these droplets at once, as a machine vanishes. Returns how many.

    They are frozen first, until no new one shows up: what cannot run can neither fork out of
    reach nor notice that its children die. Then children end before their parents, so that
    somebody who dies in the middle of this leaves nothing that cannot be found again.
    """
    frozen: dict[tuple[int, int], Process] = {}
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = {(p.pid, p.started): p for p in members(marks)}
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


def terminate(marks: Collection[str], spare: int | None) -> None:
    """Ask every process of these droplets to end, but for `spare`."""
    _signal([p for p in members(marks) if p.pid != spare], signal.SIGTERM)


def _same(process: Process) -> bool:
    now = read_process(process.pid)
    return now is not None and now.started == process.started


def _signal(processes: Iterable[Process], number: signal.Signals) -> None:
    for process in processes:
        if _same(process):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, number)


def _wait_for(ending: list[Process], deadline: float) -> None:
    while any(map(_same, ending)) and time.monotonic() < deadline:
        time.sleep(0.002)
