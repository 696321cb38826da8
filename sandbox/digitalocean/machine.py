"""The machine under a droplet: a private directory and the processes that run in it.

DIR/droplets/<id>/
- `user_data.sh`: run once by sh, in `home/`
- `home/`, `tmp/`: HOME and TMPDIR
- `syslog`: all output of the user data and of what it started
- `machine.json`: process 1, once it has started
- `exit.json`: how the user data ended
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import processes

_INIT = Path(__file__).with_name("machine_init.py")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """Every verb may be repeated; none needs the process that started the machine."""

    def __init__(self, directory: Path, mark: str) -> None:
        self.directory = directory
        self.mark = mark
        self.syslog = directory / "syslog"

    def start(
        self, user_data: str, environment: Mapping[str, str]
    ) -> "subprocess.Popen[bytes] | None":
        """Run the user data, unless it ran before. Returns the process to reap, if one was made."""
        for folder in ("home", "tmp"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        if (self.directory / "machine.json").exists():
            return None
        _write(self.directory / "user_data.sh", user_data)
        with self.syslog.open("ab") as syslog:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(_INIT), str(self.directory)],
                cwd=self.directory,
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=syslog,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        home = str(self.directory / "home")
        base = {"PATH": _PATH, "HOME": home, "USER": "root", "LOGNAME": "root", "LANG": "C.UTF-8"}
        fixed = {"TMPDIR": str(self.directory / "tmp"), processes.MARK: self.mark}
        return base | dict(extra) | {"HOME": home} | fixed

    def kill(self) -> int:
        """As if the power went: every process ends at once. Returns how many there were."""
        return processes.kill_all({self.mark})

    def terminate(self) -> None:
        """As the shutdown button: ask every process to end. Nothing is promised."""
        processes.terminate({self.mark}, spare=(self._read("machine.json") or {}).get("pid"))

    def exit_code(self) -> int | None:
        """How the user data script ended; None while it runs, and when it was killed with the
        machine. Negative: by that signal."""
        code = (self._read("exit.json") or {}).get("exit_code")
        return int(code) if code is not None else None

    def remove(self) -> None:
        """Free the disk. Raises OSError when something could not be removed."""
        if not self.directory.exists():
            return
        try:
            shutil.rmtree(self.directory)
        except OSError:
            # Package managers leave folders that even their owner may not write to.
            for folder, _, _ in os.walk(self.directory):
                os.chmod(folder, 0o700)
            shutil.rmtree(self.directory)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            content = json.loads((self.directory / name).read_text())
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None


def _write(path: Path, text: str) -> None:
    """All or nothing, and for the owner alone: user data holds credentials."""
    draft = path.with_name(f".{path.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(draft, path)
