"""One run of a container: a directory, a shim and what the shim wrote down.

Every verb may be repeated, and none needs the kubelet that started the container.
"""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import processes

_SHIM = Path(__file__).with_name("shim.py")
_START_SECONDS = 30.0
LOST_EXIT_CODE = 255


@dataclass(frozen=True, kw_only=True)
class Command:
    """`env` is all that the container gets; its PATH is where argv[0] is looked for."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True, kw_only=True)
class Exit:
    """`error` says why nothing was started at all; `lost`: nobody saw how it ended."""

    code: int
    at: float | None
    error: str | None = None
    lost: bool = False


class Instance:
    def __init__(self, directory: Path, mark: str) -> None:
        self.directory = directory
        self.mark = mark
        self.log = directory / "log"
        self.termination_log = directory / "termination-log"
        self.cgroup = directory / "cgroup"

    def start(self, command: Command) -> "subprocess.Popen[bytes] | None":
        """Run it, unless it ran before; returns once it runs or could not be started. The process
        to reap, if one was made."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._read("shim.json"):
            return None
        env = {**command.env, processes.MARK: self.mark}
        config = {"argv": list(command.argv), "env": env, "cwd": str(command.cwd)}
        _write(self.directory / "config.json", json.dumps(config))
        with (self.directory / "shim.log").open("ab") as errors:
            shim = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SHIM), str(self.directory)],
                env={processes.MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert shim.stdout
        with shim.stdout:
            select.select([shim.stdout], [], [], _START_SECONDS)
        return shim

    @property
    def shim_pid(self) -> int | None:
        """None when it has not started yet."""
        shim = self._read("shim.json")
        return int(shim["pid"]) if shim else None

    @property
    def started_at(self) -> float | None:
        main = self._read("main.json")
        return float(main["at"]) if main else None

    def ended(self) -> Exit | None:
        """None while it runs, and before it was started."""
        shim = self._read("shim.json")
        if not shim:
            return None
        alive = processes.lives(shim["pid"], shim["started"])
        if found := self._read("exit.json"):
            return Exit(code=found["exit_code"], at=found["at"], error=found["error"])
        if alive:
            return None
        processes.kill_all(self.mark)
        return Exit(code=LOST_EXIT_CODE, at=None, lost=True)

    def terminate(self, number: signal.Signals) -> None:
        """Ask process 1, and it alone, to end. As in a real container it has to listen."""
        main = self._read("main.json")
        if main and processes.catches(main["pid"], number):
            processes.send(main["pid"], main["started"], number)

    def kill(self) -> None:
        """End process 1 at once; the shim ends the others."""
        if main := self._read("main.json"):
            processes.send(main["pid"], main["started"], signal.SIGKILL)
        else:
            processes.kill_all(self.mark)

    def note_oom(self) -> None:
        """What the kernel counts where the container's memory has run out."""
        self.cgroup.mkdir(exist_ok=True)
        (self.cgroup / "memory.events").write_text("oom 1\noom_kill 1\n")

    def kill_leaves(self) -> None:
        """End what process 1 and its children have started, and have started nothing themselves:
        who uses most of the memory, as the kernel picks him."""
        main, shim = self._read("main.json") or {}, self._read("shim.json") or {}
        found = processes.census(self.mark)
        parents = {process.parent for process in found}
        for process in found:
            if process.pid not in (main.get("pid"), shim.get("pid"), *parents):
                processes.send(process.pid, process.started, signal.SIGKILL)

    def environment(self) -> Command | None:
        """What it was started with, for another command in the same container."""
        config = self._read("config.json")
        if not config:
            return None
        return Command(argv=config["argv"], env=config["env"], cwd=Path(config["cwd"]))

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            content = json.loads((self.directory / name).read_text())
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None


def _write(path: Path, text: str) -> None:
    """All or nothing, and for the owner alone: it holds secrets."""
    draft = path.with_name(f".{path.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(draft, path)
