"""Start a sandbox as a process of its own, for a demonstration or a test.

sandbox = launch(state, "--speed", "100")
os.environ["DIGITALOCEAN_END_POINT"] = sandbox.endpoint
…
sandbox.stop()
"""

import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "sandbox-token"


@dataclass(frozen=True, kw_only=True)
class Launched:
    """`endpoint` is what DIGITALOCEAN_END_POINT wants; `url` is where /sandbox/… lies."""

    state: Path
    url: str
    endpoint: str
    port: int
    token: str
    process: "subprocess.Popen[str]"

    def kill(self) -> None:
        """SIGKILL to the server alone; its droplets live on."""
        self.process.kill()
        self._wait()

    def stop(self, *, destroy: bool = True) -> None:
        """End the server in order, and by default every droplet with it. May be repeated."""
        running = self.process.poll() is None
        if destroy and running:
            request = urllib.request.Request(f"{self.url}/sandbox/destroy-all", method="PUT")
            urllib.request.urlopen(request, timeout=30).close()
        self.process.terminate()
        self._wait()
        if destroy and not running:
            destroy_all(self.state)

    def _wait(self) -> None:
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=30)
        if self.process.stdout:
            self.process.stdout.close()


def launch(state: Path, *options: str, token: str = TOKEN, log: Path | None = None) -> Launched:
    """Returns when it answers. Raises RuntimeError when it does not start. `log` takes stderr."""
    state.mkdir(parents=True, exist_ok=True)
    with (log or state / "sandbox.log").open("ab") as errors:
        process = subprocess.Popen(
            [*_command(state), "--token", token, *options],
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
        endpoint=place["endpoint"],
        port=place["port"],
        token=token,
        process=process,
    )


def destroy_all(state: Path) -> None:
    """End every droplet of a state directory, whether a sandbox serves it or not."""
    subprocess.run([*_command(state), "--destroy-all"], cwd=ROOT, check=True, timeout=60,
                   stdout=subprocess.DEVNULL)  # fmt: skip


def _command(state: Path) -> list[str]:
    return [sys.executable, "-m", "sandbox.digitalocean", "--state", str(state.absolute())]
