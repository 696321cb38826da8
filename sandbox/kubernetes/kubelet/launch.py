"""Start a node or a registry as a process of its own, for a demonstration or a test.

node = launch_kubelet(state, "--speed", "20", api=url, token=token)
…
node.stop()
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
KUBELET = "sandbox.kubernetes.kubelet"
REGISTRY = "sandbox.kubernetes.registry"


@dataclass(frozen=True, kw_only=True)
class Launched:
    module: str
    state: Path
    url: str
    port: int
    process: "subprocess.Popen[str]"

    def kill(self) -> None:
        """SIGKILL to it alone; the containers of a node live on."""
        self.process.kill()
        self._wait()

    def stop(self, *, destroy: bool = True) -> None:
        """End it in order, and by default every container of a node with it. May be repeated."""
        self.process.terminate()
        self._wait()
        if destroy and self.module == KUBELET:
            destroy_all(self.state)

    def _wait(self) -> None:
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=30)
        if self.process.stdout:
            self.process.stdout.close()


def launch_kubelet(
    state: Path, *options: str, api: str, token: str, node: str = "node-1", log: Path | None = None
) -> Launched:
    """Returns when it answers. Raises RuntimeError when it does not start. `log` takes stderr."""
    place = ("--api", api, "--token", token, "--node", node)
    return _launch(KUBELET, state, (*place, *options), log)


def launch_registry(state: Path, *options: str, log: Path | None = None) -> Launched:
    """Returns when it answers. Raises RuntimeError when it does not start. `log` takes stderr."""
    return _launch(REGISTRY, state, options, log)


def destroy_all(state: Path) -> None:
    """End every container of a node's state directory, whether a kubelet runs or not."""
    command = [sys.executable, "-m", KUBELET, "--state", str(state.absolute()), "--destroy-all"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60, stdout=subprocess.DEVNULL)


def _launch(module: str, state: Path, options: tuple[str, ...], log: Path | None) -> Launched:
    state.mkdir(parents=True, exist_ok=True)
    path = log or state / "output.log"
    with path.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--state", str(state.absolute()), *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        process.wait(timeout=30)
        raise RuntimeError(f"{module} did not start, see {path}")
    place = json.loads(line)
    return Launched(
        module=module, state=state, url=place["url"], port=place["port"], process=process
    )
