"""The sandbox cluster of a stack: an API server, a registry and one node."""

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.kubernetes.kubeconfig import write_kubeconfig
from sandbox.kubernetes.kubelet.launch import destroy_all
from sandbox.stack.process import Process, answers

KUBECONFIG = "SWITCHYARD_KUBECONFIG"
NAMESPACE = "switchyard-workers"
NODE = "node-1"
SECONDS_TO_START = 60.0

MakeProcess = Callable[..., Process]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where its parts are, the same over all restarts. The product gets the limited token, which
    may do what its Role allows; the administrator's is for the node and for ourselves."""

    state: Path
    port: int
    registry_port: int
    node_port: int
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    limited_token: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def node_url(self) -> str:
        return f"http://127.0.0.1:{self.node_port}"

    @property
    def kubeconfig(self) -> Path:
        """With the limited token."""
        return self.state / "kubeconfig"


class SandboxCluster:
    """Use `prepare`, then `start`; `stop` leaves no container behind."""

    def __init__(
        self, places: Places, python: MakeProcess, *, speed: float, options: tuple[str, ...]
    ) -> None:
        self.places = places
        pace = ("--speed", str(speed))
        self.api = python("kubernetes", "-m", "sandbox.kubernetes", *self._api_arguments(), *pace)
        self.registry = python(
            "registry", "-m", "sandbox.kubernetes.registry", *self._registry_arguments()
        )
        arguments = (*self._node_arguments(), *pace, *options)
        self.node = python("node", "-m", "sandbox.kubernetes.kubelet", *arguments)

    @property
    def processes(self) -> list[Process]:
        return [self.api, self.registry, self.node]

    def settings(self) -> dict[str, str]:
        """The product's environment variables for this cluster."""
        return {
            KUBECONFIG: str(self.places.kubeconfig),
            "SWITCHYARD_KUBE_NAMESPACE": NAMESPACE,
            "SWITCHYARD_KUBE_REGISTRY": f"127.0.0.1:{self.places.registry_port}/switchyard",
            "SWITCHYARD_KUBE_REGISTRY_INSECURE": "true",
            "SWITCHYARD_KUBE_RELIST_SECONDS": "5",
        }

    def prepare(self) -> None:
        self.places.state.mkdir(parents=True, exist_ok=True)
        limited = {"switchyard": self.places.limited_token}
        write_kubeconfig(self.places.kubeconfig, self.places.url, limited)

    def start(self) -> None:
        """The node registers itself; the namespace is made."""
        for process in self.processes:
            process.start()
        self.api.wait_ready(lambda: answers(f"{self.places.url}/readyz"), SECONDS_TO_START)
        self._make_namespace()

    def wait_ready(self) -> None:
        path = f"/api/v1/nodes/{NODE}"
        self.node.wait_ready(lambda: self.call("GET", path) is not None, SECONDS_TO_START)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()
        self.destroy_containers()

    def destroy_containers(self) -> None:
        """Also those of a run that was killed without a chance to end them."""
        if self._node_state.exists():
            destroy_all(self._node_state)

    def items(self, kind: str) -> list[dict[str, Any]]:
        """What there is of a kind (jobs, pods, secrets …) in the namespace of the Jobs."""
        group = "apis/batch/v1" if kind == "jobs" else "api/v1"
        answer = self.call("GET", f"/{group}/namespaces/{NAMESPACE}/{kind}")
        found: list[dict[str, Any]] = answer["items"] if answer else []
        return found

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """As the administrator; None where it is not there, or there already."""
        headers = {
            "Authorization": f"Bearer {self.places.token}",
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.places.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            if error.code in (404, 409):
                return None
            raise

    def node_faults(self, *rules: dict[str, Any]) -> None:
        """What shall go wrong on the node from now on."""
        url = f"{self.places.node_url}/sandbox/faults"
        request = urllib.request.Request(url, json.dumps(rules).encode(), method="PUT")
        with urllib.request.urlopen(request, timeout=20):
            pass

    def _make_namespace(self) -> None:
        about = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self.call("POST", "/api/v1/namespaces", about)

    @property
    def _node_state(self) -> Path:
        return self.places.state / "node"

    def _api_arguments(self) -> list[str]:
        state = str(self.places.state / "api")
        tokens = ["--token", self.places.token, "--limited-token", self.places.limited_token]
        return ["--state", state, "--port", str(self.places.port), *tokens]

    def _registry_arguments(self) -> list[str]:
        state = str(self.places.state / "registry")
        return ["--state", state, "--port", str(self.places.registry_port)]

    def _node_arguments(self) -> list[str]:
        place = ["--state", str(self._node_state), "--port", str(self.places.node_port)]
        return [*place, "--api", self.places.url, "--token", self.places.token, "--node", NODE]
