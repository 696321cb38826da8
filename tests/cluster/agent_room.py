"""A namespace for pods of the agent's image, which allows them nothing: PodSecurity restricted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kube.manifest import ours
from kube.manifest.request import Times
from tests.cluster.elsewhere import cluster_kubeconfig
from tests.conformance.cluster import Cluster, Json, unique
from tests.kube.making import make_request, make_settings

SECONDS = 90.0


@dataclass(frozen=True, kw_only=True)
class End:
    code: int
    log: str


@dataclass(frozen=True, kw_only=True)
class AgentRoom:
    cluster: Cluster
    path: str

    def run(self, container: Json, **spec: object) -> End:
        """What becomes of a pod whose main container this is."""
        pod = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            **spec,
        }
        name = unique("pod")
        path = f"{self.path}/pods/{name}"
        self.cluster.must("POST", f"{self.path}/pods", {"metadata": {"name": name}, "spec": pod})
        self.cluster.wait(lambda: self._phase(path) in ("Succeeded", "Failed"), SECONDS)
        (status,) = self.cluster.must("GET", path)["status"]["containerStatuses"]
        answer = self.cluster.call("GET", f"{path}/log", container=container["name"])
        ended = status["state"].get("terminated", {})
        return End(code=ended.get("exitCode", -1), log=str(answer.body.get("text", "")))

    def _phase(self, path: str) -> str:
        return str(self.cluster.must("GET", path)["status"]["phase"])


@contextmanager
def agent_room() -> Iterator[AgentRoom]:
    cluster, name = Cluster.of(cluster_kubeconfig()), unique("agent")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"metadata": {"name": name, "labels": labels}}
    path = f"/api/v1/namespaces/{name}"
    cluster.must("POST", "/api/v1/namespaces", body)
    try:
        account = f"{path}/serviceaccounts/default"
        cluster.wait(lambda: cluster.call("GET", account).status == 200)
        yield AgentRoom(cluster=cluster, path=path)
    finally:
        cluster.call("DELETE", path)


def as_agent(image: str, *command: str) -> Json:
    """With the rights and limits of the agent's container, and nothing of its surroundings."""
    times = Times(grace=30, deadline=900)
    made = ours.agent(make_request(), make_settings(agent_image=image), times)
    kept = ("name", "image", "securityContext", "resources")
    return {**{key: made[key] for key in kept}, "command": list(command)}
