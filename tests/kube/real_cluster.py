"""The real cluster of CONFORMANCE_KUBECONFIG, for tests that are marked `any_cluster`: a namespace
of ops/kubernetes, and a node without a kubelet, where the tests say what became of the pods.
"""

import atexit
import os
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.stack import Given, Process
from sandbox.stack import real_cluster as stack
from tests.conformance.cluster import (
    NODES,
    STRATEGIC,
    Cluster,
    beat,
    is_schedulable,
    make_node,
    unique,
)
from tests.kube.cluster import AnyCluster, sandbox_cluster

Json = dict[str, Any]
KUBECONFIG = "CONFORMANCE_KUBECONFIG"


class RealCluster(AnyCluster):
    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        namespace = unique("contract")
        self._place = place_for_jobs(kubeconfig, namespace, folder)
        super().__init__(Cluster.of(kubeconfig), namespace, self._place.kubeconfig)
        self.node = namespace
        make_node(self.admin, self.node, **{"cpu": "400", "memory": "800Gi", "pods": "400"})
        self._place.prepare()

    def manifest_settings(self) -> Json:
        there = {"node_selector": {"conformance": self.node}, "taint": "conformance"}
        return {"namespace": self.namespace, **there}

    def clear(self) -> None:
        """No kubelet ends what runs on our node."""
        beat(self.admin, self.node)
        super().clear()

        def is_empty() -> bool:
            for pod in self.list("pods"):
                self.lose(pod["metadata"]["name"])
            return not self.list("pods") and not self.list("jobs")

        self.admin.wait(is_empty)
        self.admin.wait(lambda: is_schedulable(self.admin, self.node))

    def lose(self, pod: str) -> None:
        self.admin.call("DELETE", f"{self.path('pods')}/{pod}", {"gracePeriodSeconds": 0})

    def _running_pod(self, job: str) -> Json | None:
        """Once it is bound, nothing keeps it from running."""
        pods = [pod for pod in self.pods(job) if pod["spec"].get("nodeName")]
        if not pods:
            return None
        path = f"{self.path('pods')}/{pods[0]['metadata']['name']}/status"
        return self.admin.must("PATCH", path, {"status": running(pods[0])}, kind=STRATEGIC)

    def remove(self) -> None:
        self.clear()
        self._place.destroy_containers()
        self.admin.call("DELETE", f"{NODES}/{self.node}")


def place_for_jobs(kubeconfig: Path, namespace: str, folder: Path) -> stack.RealCluster:
    """The namespace as a whole stack would have it; nothing here is pulled or started."""
    given = Given(
        kubeconfig=kubeconfig,
        address="127.0.0.1",
        registry="registry.example/switchyard",
        agent_image="registry.example/agent:1",
        builder_image="registry.example/builder:1",
        namespace=namespace,
    )

    def never_started(name: str, *arguments: str) -> Process:
        return Process(name, arguments, {}, folder, folder / f"{name}.log")

    return stack.RealCluster(given, folder, never_started, web_port=0, git_port=0)


def running(pod: Json) -> Json:
    """What a kubelet says of it when its main container has started."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}

    def status(container: Json, state: Json) -> Json:
        facts = {"name": container["name"], "image": container["image"], "imageID": ""}
        runs = "running" in state
        return {**facts, "ready": runs, "started": runs, "restartCount": 0, "state": state}

    def initial(container: Json) -> Json:
        sidecar = container.get("restartPolicy") == "Always"
        state = {"running": {"startedAt": now}} if sidecar else {"terminated": ended}
        return status(container, state)

    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    return {
        "phase": "Running",
        "startTime": now,
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds
        ],
        "initContainerStatuses": [initial(item) for item in pod["spec"]["initContainers"]],
        "containerStatuses": [
            status(item, {"running": {"startedAt": now}}) for item in pod["spec"]["containers"]
        ],
    }


def any_cluster() -> AnyCluster:
    """The real one, where one is given."""
    return real_cluster() if os.environ.get(KUBECONFIG) else sandbox_cluster()


@cache
def real_cluster() -> RealCluster:
    """For all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="switchyard-cluster-"))
    made = RealCluster(Path(os.environ[KUBECONFIG]), folder)

    def end() -> None:
        made.remove()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return made
