"""The sandbox cluster from within: for the operator, whom no fault strikes."""

import json
from typing import Any

from sandbox.kubernetes.kubelet import processes
from sandbox.stack.cluster import SandboxCluster
from tests.crash.calls import call

Json = dict[str, Any]
# Each namespace has one, whatever runs there.
OF_EACH_NAMESPACE = ("kube-root-ca.crt",)


class ClusterView:
    def __init__(self, cluster: SandboxCluster) -> None:
        self._cluster = cluster
        self._places = cluster.places

    def put(self, path: str, body: Any = None) -> Any:
        return call(self._places.url + path, "PUT", body)

    def put_to_node(self, path: str, body: Any = None) -> Any:
        return call(self._places.node_url + path, "PUT", body)

    def put_to_registry(self, path: str, body: Any = None) -> Any:
        return call(f"http://127.0.0.1:{self._places.registry_port}{path}", "PUT", body)

    def pods(self) -> list[Json]:
        """Those of which something runs on the node."""
        found: list[Json] = call(f"{self._places.node_url}/sandbox/state", "GET")["pods"]
        return [pod for pod in found if pod["pids"]]

    def answers(self) -> bool:
        """All its parts."""
        try:
            self.pods()
            call(f"{self._places.url}/sandbox/state", "GET")
            call(f"http://127.0.0.1:{self._places.registry_port}/v2/", "GET")
        except OSError:
            return False
        return True

    def mend(self) -> None:
        self.put("/sandbox/faults", [])
        self.put("/sandbox/outage", {"seconds": 0})
        self.put_to_node("/sandbox/faults", [])
        self.put_to_node("/sandbox/away", {"seconds": 0})
        self.put_to_registry("/sandbox/faults", [])

    def left(self) -> list[str]:
        """What there still is of Jobs, by name."""
        return [
            f"{kind} {item['metadata']['name']}"
            for kind in ("jobs", "pods", "secrets", "configmaps")
            for item in self._cluster.items(kind)
            if item["metadata"]["name"] not in OF_EACH_NAMESPACE
        ]

    def processes_left(self) -> list[int]:
        """Of all containers that there ever were."""
        node = json.loads((self._places.state / "node" / "id.json").read_text())
        return [process.pid for process in processes.census(node)]
