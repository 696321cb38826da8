"""The parent of a container's process 1. Runs it once, keeps its log, adopts what it leaves behind.

Started as a file by itself (no package, no site), with the instance's directory as its argument:

- `config.json`: argv, env, cwd; written before the start
- `shim.json` (pid and start time) is made by a hard link, which exactly one process can do:
  whatever crashes and is started again, a container runs at most once
- `main.json`: process 1 of the container
- `log`: its output, each line with its time, as container runtimes write it
- `exit.json`: how process 1 ended. It is written when nothing of the container lives any more:
  with process 1, every process of a container ends
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

_PR_SET_CHILD_SUBREAPER = 36
_CANNOT_START = 128
_LONGEST_LINE = 16 * 1024
_GIVE_UP_SECONDS = 10.0
# Python ignores the first two, a child would inherit that; the shim itself ignores the others.
_USUAL = [signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def main(directory: str) -> int:
    for number in _USUAL[2:]:
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if not _register(directory):
        return 0
    with open(os.path.join(directory, "config.json")) as file:
        config = json.load(file)
    wakeups = _wake_on_children()
    outputs = [os.pipe(), os.pipe()]
    try:
        pid = _start(config, [writer for _, writer in outputs])
    except OSError as error:
        why = _refusal(config, error)
        _write(directory, "exit.json", {"exit_code": _CANNOT_START, "error": why, "at": None})
        return 0
    finally:
        for _, writer in outputs:
            os.close(writer)
    _write(directory, "main.json", {"pid": pid, "started": _ticks(pid), "at": time.time()})
    with contextlib.suppress(OSError):  # who started this may have been killed meanwhile
        os.write(1, b"started\n")
    code = _attend(pid, [reader for reader, _ in outputs], wakeups, directory)
    _write(directory, "exit.json", {"exit_code": code, "error": None, "at": time.time()})
    return 0


def _register(directory: str) -> bool:
    """Claim this container; False when another process has it, or when it has been removed."""
    draft = os.path.join(directory, f".shim.{os.getpid()}")
    try:
        with open(draft, "w") as file:
            json.dump({"pid": os.getpid(), "started": _ticks(os.getpid())}, file)
        os.link(draft, os.path.join(directory, "shim.json"))
    except (FileExistsError, FileNotFoundError):
        return False
    finally:
        if os.path.exists(draft):
            os.unlink(draft)
    return True


def _ticks(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except OSError:
        return 0


def _wake_on_children() -> int:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _start(config: dict[str, Any], writers: list[int]) -> int:
    os.chdir(config["cwd"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    actions = [(os.POSIX_SPAWN_DUP2, nothing, 0)]
    actions += [(os.POSIX_SPAWN_DUP2, writer, stream) for stream, writer in enumerate(writers, 1)]
    program = _find(config["argv"][0], config["env"].get("PATH", ""))
    return os.posix_spawn(
        program, config["argv"], config["env"],
        file_actions=actions, setsid=True, setsigdef=_USUAL, setsigmask=[],
    )  # fmt: skip


def _find(name: str, path: str) -> str:
    if "/" in name:
        return name
    for folder in path.split(":"):
        place = os.path.join(folder, name)
        if os.access(place, os.X_OK) and not os.path.isdir(place):
            return place
    raise FileNotFoundError


def _refusal(config: dict[str, Any], error: OSError) -> str:
    name = config["argv"][0]
    if isinstance(error, PermissionError):
        return f'exec: "{name}": permission denied'
    if not os.path.isdir(config["cwd"]):
        return f'chdir to cwd ("{config["cwd"]}") set in config.json failed: {error.strerror}'
    if "/" in name:
        return f'exec: "{name}": stat {name}: no such file or directory'
    return f'exec: "{name}": executable file not found in $PATH'


def _attend(pid: int, readers: list[int], wakeups: int, directory: str) -> int:
    """Keep the log until process 1 has ended and all the others are gone. The exit code, 128 + N
    where signal N ended it."""
    code = None
    with open(os.path.join(directory, "log"), "ab", buffering=0) as file:
        names = (b"stdout", b"stderr")
        streams = {r: _Stream(name, file) for r, name in zip(readers, names, strict=True)}
        while code is None:
            ready = select.select([*streams, wakeups], [], [], 60)[0]
            _take(streams, ready)
            if wakeups in ready:
                os.read(wakeups, 1024)
            code = _reap(pid)
        _kill_rest()
        while ready := select.select([*streams], [], [], 0)[0]:
            _take(streams, ready)
        for stream in streams.values():
            stream.end()
    return code if code >= 0 else 128 - code


def _take(streams: dict[int, "_Stream"], ready: list[int]) -> None:
    """What there is to read; a stream that has ended is forgotten."""
    for reader in [reader for reader in streams if reader in ready]:
        if not streams[reader].take(reader):
            streams.pop(reader).end()


def _reap(main_pid: int) -> int | None:
    """Wait for whoever has ended. How process 1 did, None while it lives."""
    found = None
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return found
            if pid == main_pid:
                found = os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        return found


def _kill_rest() -> None:
    """Orphans are children of this process: there is nothing left when there are no children."""
    until = time.monotonic() + _GIVE_UP_SECONDS
    while time.monotonic() < until:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for pid in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def _children() -> Iterator[int]:
    own = os.getpid()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                if int(file.read().rpartition(b")")[2].split()[1]) == own:
                    yield int(name)
        except OSError:
            continue


class _Stream:
    """Lines as `TIME stdout F text`; P instead of F where the line goes on, or never ended."""

    def __init__(self, name: bytes, file: BinaryIO) -> None:
        self._name, self._file = name, file
        self._rest = b""

    def take(self, reader: int) -> bool:
        """False when the output has ended."""
        data = os.read(reader, 64 * 1024)
        *lines, self._rest = (self._rest + data).split(b"\n")
        entries = [self._entry(line, b"F") for line in lines]
        while len(self._rest) >= _LONGEST_LINE:
            entries.append(self._entry(self._rest[:_LONGEST_LINE], b"P"))
            self._rest = self._rest[_LONGEST_LINE:]
        self._write(b"".join(entries))
        return bool(data)

    def end(self) -> None:
        if self._rest:
            self._write(self._entry(self._rest, b"P"))
            self._rest = b""

    def _entry(self, line: bytes, tag: bytes) -> bytes:
        now = time.time()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        stamp = f"{moment}.{int(now % 1 * 1e9):09d}Z"
        return b" ".join((stamp.encode(), self._name, tag, line)) + b"\n"

    def _write(self, data: bytes) -> None:
        while data:
            data = data[self._file.write(data) :]


def _write(directory: str, name: str, content: dict[str, Any]) -> None:
    draft = os.path.join(directory, f".{name}")
    # The pod may have been removed under us.
    with contextlib.suppress(FileNotFoundError):
        with open(draft, "w") as file:
            json.dump(content, file)
        os.replace(draft, os.path.join(directory, name))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
