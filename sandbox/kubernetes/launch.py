"""Start a sandbox cluster as a process of its own, for a demonstration or a test.

cluster = launch(state, "--speed", "20")
os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
…
cluster.stop()
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Launched:
    """`url` is where both the API and /sandbox/… lie."""

    state: Path
    url: str
    port: int
    token: str
    kubeconfig: Path
    process: "subprocess.Popen[str]"

    def kill(self) -> None:
        """SIGKILL; what was answered is on disk."""
        self.process.kill()
        self._wait()

    def stop(self) -> None:
        """May be repeated."""
        self.process.terminate()
        self._wait()

    def _wait(self) -> None:
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=30)
        if self.process.stdout:
            self.process.stdout.close()


def launch(state: Path, *options: str, log: Path | None = None) -> Launched:
    """Returns when it answers. Raises RuntimeError when it does not start. `log` takes stderr."""
    state.mkdir(parents=True, exist_ok=True)
    with (log or state / "sandbox.log").open("ab") as errors:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sandbox.kubernetes",
                "--state",
                str(state.absolute()),
                *options,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        process.wait(timeout=30)
        raise RuntimeError(f"the sandbox did not start, see {log or state / 'sandbox.log'}")
    place = json.loads(line)
    return Launched(
        state=state,
        url=place["url"],
        port=place["port"],
        token=place["token"],
        kubeconfig=Path(place["kubeconfig"]),
        process=process,
    )
