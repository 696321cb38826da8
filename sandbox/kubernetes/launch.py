"""Start a sandbox cluster as a process of its own, for a demonstration or a test.

cluster = launch(state, "--speed", "20")
os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
…
cluster.stop()
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.launching import Program, wait_for_end


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
        wait_for_end(self.process)

    def stop(self) -> None:
        """May be repeated."""
        self.process.terminate()
        wait_for_end(self.process)


def launch(state: Path, *options: str, log: Path | None = None) -> Launched:
    """Returns when it answers. Raises RuntimeError when it does not start. `log` takes stderr."""
    process, place = Program(module="sandbox.kubernetes", state=state).start(*options, log=log)
    return Launched(
        state=state,
        url=place["url"],
        port=place["port"],
        token=place["token"],
        kubeconfig=Path(place["kubeconfig"]),
        process=process,
    )
