"""The pod of the manifest builder on the sandbox's node, with our own programs or without."""

from collections.abc import Mapping
from typing import Any

from kube.manifest.job import manifests
from kube.manifest.request import ImageSource
from sandbox.samples import Sample
from tests.kube.making import make_plan, make_request, make_settings
from tests.sandbox.kubelet_cluster import Cluster, Json, RunningPod
from tests.waiting import wait_until
from tests.worker_image.agent_plane import ASSIGNMENT_ID, TOKEN, AgentPlane

NOWHERE = "http://127.0.0.1:9"


def start_job(
    cluster: Cluster,
    repository: tuple[str, str],
    texts: tuple[str, str],
    *,
    plane: AgentPlane | None = None,
    scripts: Mapping[str, str] | None = None,
    image: str = "",
    **request: Any,
) -> RunningPod:
    """Makes the Job and what belongs to it. `repository` is URL and commit, `texts` are compose
    file and Dockerfile. Init containers in `scripts` run that shell in place of their own command.
    """
    url, commit = repository
    values = {
        "clone_url": url,
        "commit": commit,
        "source": ImageSource(
            reference=image or f"{cluster.registry_host}/acme/{cluster.namespace}:key"
        ),
        "cache_repository": f"{cluster.registry_host}/acme/shop/cache",
        "assignment_id": ASSIGNMENT_ID,
        "token": TOKEN,
    }
    settings = make_settings(
        namespace=cluster.namespace,
        registry_insecure=True,
        control_plane_url=plane.url if plane else NOWHERE,
    )
    found = manifests(make_plan(*texts), make_request(**values | request), settings)
    job = found.job
    job["spec"]["suspend"] = False
    for container in job["spec"]["template"]["spec"]["initContainers"]:
        if script := (scripts or {}).get(container["name"]):
            container["command"] = ["sh", "-c", script]
    made = cluster.api.post(f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs", job)
    for item in found.dependents(made["metadata"]["uid"]):
        cluster.api.post(f"{cluster.path}/{item['kind'].lower()}s", item)
    return pod_of(cluster, made["metadata"]["uid"])


def start_sample(cluster: Cluster, sample: Sample, plane: AgentPlane, **request: Any) -> RunningPod:
    return start_job(
        cluster,
        (sample.clone_url, sample.commit),
        (sample.compose_text, sample.dockerfile_text),
        plane=plane,
        **request,
    )


def pod_of(cluster: Cluster, job_uid: str) -> RunningPod:
    def pods() -> list[Json]:
        return [
            pod["metadata"]
            for pod in cluster.api.get(f"{cluster.path}/pods")["items"]
            if pod["metadata"]["ownerReferences"][0]["uid"] == job_uid
        ]

    wait_until(pods)
    (about,) = pods()
    return RunningPod(cluster=cluster, name=about["name"], uid=about["uid"])


def only_job(cluster: Cluster) -> Json:
    (found,) = cluster.api.get(f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs")["items"]
    return dict(found)
