"""Start a node or a registry as a process of its own, for a demonstration or a test.

node = launch_kubelet(state, "--speed", "20", api=url, token=token)
…
node.stop()
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.launching import Program, wait_for_end

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
        wait_for_end(self.process)

    def stop(self, *, destroy: bool = True) -> None:
        """End it in order, and by default every container of a node with it. May be repeated."""
        self.process.terminate()
        wait_for_end(self.process)
        if destroy and self.module == KUBELET:
            destroy_all(self.state)


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
    Program(module=KUBELET, state=state).run("--destroy-all")


def _launch(module: str, state: Path, options: tuple[str, ...], log: Path | None) -> Launched:
    process, place = Program(module=module, state=state).start(*options, log=log)
    return Launched(
        module=module, state=state, url=place["url"], port=place["port"], process=process
    )
