"""The processes of the cluster: started in the background, told apart from all others by a mark in
their environment, and ended.

The mark comes into being with the process, at its exec, so no kill of the starter can leave one
behind that is not known; what a program starts by itself (the shims of containerd) inherits it.
What runs in containers has none: it is found by its cgroup.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout

MARK = "SWITCHYARD_CLUSTER_PART"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
END_SECONDS = 20.0
PROC = Path("/proc")


def start(layout: Layout, part: str, command: list[str]) -> subprocess.Popen[bytes]:
    """Its output goes to its log. It lives on when we end, and when the terminal closes."""
    environ = {"PATH": PATH, "HOME": str(layout.root), "LANG": "C.UTF-8", MARK: mark(layout, part)}
    with layout.log(part).open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=layout.root,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def mark(layout: Layout, part: str) -> str:
    return f"{layout.root}:{part}"


def marked(layout: Layout) -> dict[int, str]:
    """Process id to part, also of what our programs started by themselves."""
    start_of_mark = f"{MARK}={mark(layout, '')}".encode()
    found = {}
    for pid in _all_pids():
        for item in _environment(pid):
            if item.startswith(start_of_mark):
                found[pid] = item[len(start_of_mark) :].decode()
    return found


def running(layout: Layout) -> dict[str, int]:
    """Part to process id, of what we started ourselves: those lead a session."""
    return {part: pid for pid, part in marked(layout).items() if _session(pid) == pid}


def of_cgroups(folders: Iterable[Path]) -> set[int]:
    """What runs in them, and below them. What goes away meanwhile is passed over."""
    below = (path for folder in folders for path, _, _ in os.walk(folder))
    return {pid for path in below for pid in _numbers(Path(path, "cgroup.procs"))}


def end(find: Callable[[], Iterable[int]]) -> None:
    """Kills what is found until nothing is, since what is killed last may have started another.

    All that they hold is thrown away, so none is asked to end in order.
    """
    deadline = time.monotonic() + END_SECONDS
    while pids := set(find()):
        if time.monotonic() > deadline:
            raise ClusterError(f"Processes that do not end: {', '.join(map(str, sorted(pids)))}")
        for pid in pids:
            _kill(pid, find)
        time.sleep(0.05)


def _kill(pid: int, find: Callable[[], Iterable[int]]) -> None:
    """A number may be somebody else's a moment later, a pidfd stays with its process: so the
    process is looked up again once we hold that.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if pid in set(find()):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _all_pids() -> Iterator[int]:
    return (int(folder.name) for folder in PROC.iterdir() if folder.name.isdigit())


def _environment(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is a kernel thread
        return []


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _numbers(file: Path) -> list[int]:
    try:
        return [int(line) for line in file.read_text().split()]
    except OSError:  # the cgroup has gone
        return []
