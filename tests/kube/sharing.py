"""Suite runs whose Tasks share an image, and what the controller, a builder and its agent do."""

from typing import Any

import pytest

from dispatch import encryption
from dispatch.backends import Waits
from dispatch.models import Assignment, SuiteRun, TaskSecret
from kube import images
from kube.manifest.request import job_name
from kube.models import Image, ImageState
from kube.worker import KubernetesWorker
from tests.dispatch.agent_api.agent import Agent
from tests.factories import make_assignment, make_suite_run
from tests.kube.cluster import COMPOSE, DOCKERFILE, AnyCluster
from tests.kube.image_registry import ImageRegistry

Json = dict[str, Any]
WITH_ARGUMENT = COMPOSE.replace("context: ..", "context: ..\n      args: {A: '${VERSION:-1}'}")


def suite_run(**facts: Any) -> SuiteRun:
    texts = {"compose_text": COMPOSE, "dockerfile_text": DOCKERFILE}
    return make_suite_run(backend="kubernetes", **(texts | facts))


def like(run: SuiteRun, **facts: Any) -> SuiteRun:
    """A later suite run of the same commit."""
    return suite_run(commit=run.commit, **facts)


def queued(run: SuiteRun, **variables: str) -> Assignment:
    assignment = make_assignment(run)
    if variables:
        ciphertext = encryption.encrypt_mapping(variables)
        TaskSecret.objects.create(task=assignment.task, ciphertext=ciphertext)
    return assignment


def now(assignment: Assignment) -> Assignment:
    return Assignment.by_id(assignment.pk)


def start(worker: KubernetesWorker, assignment: Assignment) -> Assignment:
    placement = worker.start(assignment)
    now(assignment).place(placement.external_id, placement.image_from)
    return now(assignment)


def wait_for(worker: KubernetesWorker, assignment: Assignment) -> Assignment:
    """As the controller's placing does."""
    with pytest.raises(Waits) as waiting:
        worker.start(assignment)
    assignment.wait_for(waiting.value.what, str(waiting.value))
    return now(assignment)


def builds(worker: KubernetesWorker, assignment: Assignment) -> bool:
    """Whether the Job that it gets builds; not where it has to wait for another one."""
    try:
        start(worker, assignment)
    except Waits:
        return False
    job = worker.cluster.get("jobs", job_name(assignment.task_id, assignment.number))
    return "kaniko" in [one["name"] for one in containers(job)]


def containers(job: Json) -> list[Json]:
    spec = job["spec"]["template"]["spec"]
    return [*spec["initContainers"], *spec["containers"]]


def job_of(cluster: AnyCluster, assignment: Assignment) -> Json:
    return cluster.get("jobs", job_name(assignment.task_id, assignment.number))


def image_of(assignment: Assignment) -> Image:
    return Image.objects.get(builder=assignment.pk)


def finish_build(assignment: Assignment, registry: ImageRegistry | None) -> str:
    """As its builder and its agent do; without a registry nothing is pushed."""
    digest = registry.push(image_of(assignment).reference) if registry else f"sha256:{'0' * 64}"
    say_built(assignment, digest)
    return digest


def say_built(assignment: Assignment, digest: str) -> None:
    """As its agent does, through the agent API."""
    if assignment.claimed_at is None:
        assignment.claim(f"pod of {assignment.pk}")
    answer = Agent(assignment).event(1, "build_finished", digest)
    assert answer.status == 200, answer.json
    assignment.refresh_from_db()


def built(worker: KubernetesWorker, registry: ImageRegistry, run: SuiteRun) -> Assignment:
    """One whose image is ready."""
    builder = start(worker, queued(run))
    finish_build(builder, registry)
    images.follow(worker)
    assert image_of(builder).state == ImageState.READY
    return now(builder)
