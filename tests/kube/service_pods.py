"""Pods of an Assignment with one service, on the sandbox's node."""

from typing import Any

from dispatch.models import Assignment
from kube.manifest.job import ASSIGNMENT, INSTALLATION
from kube.manifest.request import job_name
from tests.sandbox.kubelet_cluster import Cluster, RunningPod, shell, sidecar
from tests.waiting import wait_until

Json = dict[str, Any]
# It goes on when the test says so.
WAIT = "while [ ! -e /shared/{0} ]; do sleep 0.05; done"
# Until it is told to end, which it then does at once: nobody has to wait for its grace.
REST = "sleep 600 & wait"
ON_TERM = "trap 'exit 143' TERM"
SHARED: Json = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}


def run(node: Cluster, assignment: Assignment, script: str, name: str = "db") -> RunningPod:
    """A pod of this Assignment with one service."""
    labels = {**labels_of(assignment), "job-name": job_name(assignment.task_id, 1)}
    spec = pod_spec(script, name)
    return node.run(f"pod-{assignment.pk}", metadata={"labels": labels}, **spec)


def labels_of(assignment: Assignment) -> dict[str, str]:
    return {
        "app.kubernetes.io/managed-by": "switchyard",
        INSTALLATION: "default",
        ASSIGNMENT: str(assignment.pk),
    }


def pod_spec(script: str, name: str = "db") -> Json:
    return {
        "initContainers": [
            sidecar(f"{ON_TERM}; {REST}", "agent"),
            sidecar(f"{ON_TERM}; {script}", name, **SHARED),
        ],
        "containers": [shell(f"{ON_TERM}; {REST}", "test", **SHARED)],
        "volumes": [{"name": "shared", "emptyDir": {}}],
    }


def run_job(node: Cluster, assignment: Assignment, script: str) -> RunningPod:
    """The same with a Job, to which the Assignment is placed."""
    name, labels = job_name(assignment.task_id, 1), labels_of(assignment)
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, **pod_spec(script)}
    template = {"metadata": {"labels": labels}, "spec": spec}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {"backoffLimit": 0, "template": template},
    }
    path = f"/apis/batch/v1/namespaces/{node.namespace}/jobs"
    made = node.api.post(path, job)
    assignment.place(f"{name}/{made['metadata']['uid']}")
    pods = f"{node.path}/pods?labelSelector=job-name%3D{name}"
    wait_until(lambda: node.api.get(pods)["items"])
    metadata = node.api.get(pods)["items"][0]["metadata"]
    return RunningPod(cluster=node, name=metadata["name"], uid=metadata["uid"])


def tell(pod: RunningPod, word: str) -> None:
    (pod.folder / "volumes" / "shared" / word).touch()


def wait_printed(pod: RunningPod, word: str) -> None:
    pod.wait(lambda: pod.runs("db") and word in pod.log("db"))
