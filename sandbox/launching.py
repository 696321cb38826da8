"""Programs of the sandbox as processes of their own: each says in a line of JSON, once it answers,
where it is."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SECONDS_TO_END = 30


@dataclass(frozen=True, kw_only=True)
class Program:
    """A module that keeps everything in its state directory."""

    module: str
    state: Path

    def start(
        self, *options: str, log: Path | None = None
    ) -> "tuple[subprocess.Popen[str], dict[str, Any]]":
        """The process and its line, once it answers. Raises RuntimeError when it does not start.
        `log` takes stderr."""
        self.state.mkdir(parents=True, exist_ok=True)
        path = log or self.state / "sandbox.log"
        with path.open("ab") as errors:
            process = subprocess.Popen(
                self.command(*options),
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            wait_for_end(process)
            raise RuntimeError(f"{self.module} did not start, see {path}")
        return process, dict(json.loads(line))

    def run(self, *options: str) -> None:
        """To its end. Raises subprocess.CalledProcessError."""
        command = self.command(*options)
        subprocess.run(command, cwd=ROOT, check=True, timeout=60, stdout=subprocess.DEVNULL)

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-m", self.module, "--state", str(self.state.absolute()), *options]


def wait_for_end(process: "subprocess.Popen[str]") -> None:
    """One that was asked to end and does not is killed."""
    try:
        process.wait(timeout=SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=SECONDS_TO_END)
    if process.stdout:
        process.stdout.close()
