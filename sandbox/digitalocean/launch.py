"""Start a sandbox as a process of its own, for a demonstration or a test.

sandbox = launch(state, "--speed", "100")
os.environ["DIGITALOCEAN_END_POINT"] = sandbox.endpoint
…
sandbox.stop()
"""

import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from sandbox.launching import Program, wait_for_end

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
        wait_for_end(self.process)

    def stop(self, *, destroy: bool = True) -> None:
        """End the server in order, and by default every droplet with it. May be repeated."""
        running = self.process.poll() is None
        if destroy and running:
            request = urllib.request.Request(f"{self.url}/sandbox/destroy-all", method="PUT")
            urllib.request.urlopen(request, timeout=30).close()
        self.process.terminate()
        wait_for_end(self.process)
        if destroy and not running:
            destroy_all(self.state)


def launch(state: Path, *options: str, token: str = TOKEN, log: Path | None = None) -> Launched:
    """Returns when it answers. Raises RuntimeError when it does not start. `log` takes stderr."""
    process, place = _program(state).start("--token", token, *options, log=log)
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
    _program(state).run("--destroy-all")


def _program(state: Path) -> Program:
    return Program(module="sandbox.digitalocean", state=state)
