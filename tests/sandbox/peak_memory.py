"""How much memory processes have had at most."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MIB = 1024
LOOK_SECONDS = 0.05


def peak_mib(pid: int) -> float:
    """Of its life so far. Raises OSError or ValueError where it has ended."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / MIB


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def running(command: str, place: Path) -> list[int]:
    """The processes whose command line ends like this and whose environment names the place."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
            if (
                line.endswith(command.encode())
                and str(place).encode() in (entry / "environ").read_bytes()
            ):
                found.append(int(entry.name))
    return found


@contextmanager
def watched(find: Callable[[], list[int]]) -> Iterator[dict[int, float]]:
    """The peak of each process that is found while the block runs, by process id. They may come
    and go."""
    peaks: dict[int, float] = defaultdict(float)
    done = threading.Event()

    def look() -> None:
        while not done.wait(LOOK_SECONDS):
            for pid in find():
                with suppress(OSError, ValueError):
                    peaks[pid] = max(peaks[pid], peak_mib(pid))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()
