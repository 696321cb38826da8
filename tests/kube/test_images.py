"""What becomes of a build: nobody waits for what nobody builds.

On the sandbox cluster and the registry's stand-in; what a builder does is done by the tests.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from dispatch.backends import NoCapacity
from dispatch.models import Assignment, Task
from dispatch.outcomes import Category, TaskState
from kube import images
from kube.models import Image, ImageState
from kube.worker import KubernetesWorker
from tests.kube.cluster import SandboxCluster
from tests.kube.image_registry import ImageRegistry
from tests.kube.sharing import (
    WITH_ARGUMENT,
    builds,
    built,
    containers,
    finish_build,
    image_of,
    job_of,
    like,
    now,
    queued,
    start,
    suite_run,
    wait_for,
)

pytestmark = pytest.mark.django_db


# Builders that end ------------------------------------------------------------------------


LOST = [
    Category.NODE_LOST,
    Category.EVICTED,
    Category.REGISTRY_PUSH,
    Category.AGENT_LOST,
    Category.DEADLINE,
    Category.UNKNOWN,
]


@pytest.mark.parametrize("category", LOST)
def test_a_builder_that_is_lost_is_followed_by_the_next_one(
    sharing: KubernetesWorker, category: str
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = wait_for(sharing, queued(run))
    builder.claim("pod")
    builder.close(category)
    images.follow(sharing)
    assert now(waiting).waits_for == ""
    retry = Assignment.objects.get(task=builder.task, number=2)
    assert builds(sharing, retry)
    assert not builds(sharing, waiting)


def test_a_builder_that_is_cancelled_is_followed_by_one_that_waited(
    sharing: KubernetesWorker,
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    first, second = (wait_for(sharing, queued(run)) for _ in range(2))
    builder.close(Category.CANCELLED)
    images.follow(sharing)
    assert builds(sharing, first)
    assert not builds(sharing, second)
    assert now(first).live


def test_a_builder_that_goes_to_the_other_backend_builds_nothing_here(
    sharing: KubernetesWorker,
) -> None:
    run = suite_run()
    builder, waiting = queued(run), queued(run)
    sharing.start(builder)
    wait_for(sharing, waiting)
    Assignment.objects.filter(pk=builder.pk).update(backend="droplets")
    images.follow(sharing)
    assert builds(sharing, waiting)


def test_the_image_of_one_that_ended_after_its_build_is_used(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = wait_for(sharing, queued(run))
    finish_build(builder, registry)
    builder.close(Category.FAILED)
    images.follow(sharing)
    assert not builds(sharing, waiting)
    assert now(waiting).image_from == builder.pk


@pytest.mark.parametrize("category", [Category.BUILD_FAILED, Category.BASE_IMAGE_NOT_FOUND])
def test_a_failed_build_ends_the_tasks_of_its_suite_run_alike_without_a_job(
    cluster: SandboxCluster, sharing: KubernetesWorker, category: str
) -> None:
    run = suite_run(compose_text=WITH_ARGUMENT)
    other, another = like(run, compose_text=WITH_ARGUMENT), queued(run, VERSION="own image")
    builder = start(sharing, queued(run))
    waiting = [wait_for(sharing, queued(run)) for _ in range(2)]
    untried, elsewhere = queued(run), wait_for(sharing, queued(other))
    builder.close(category, "A step of the Dockerfile failed: bundle install")
    images.follow(sharing)
    for assignment in (*waiting, untried):
        ended = Task.objects.get(pk=assignment.task_id)
        assert (ended.state, ended.category) == (TaskState.FAILED, category)
        told = f"Task {builder.task_id} built the image for this one, too: "
        assert ended.sentence == f"{told}A step of the Dockerfile failed: bundle install"
    assert len(cluster.list("jobs")) == 1
    assert now(another).live and now(elsewhere).live
    assert builds(sharing, elsewhere)


def test_a_task_that_comes_after_the_build_failed_ends_when_it_would_be_started(
    cluster: SandboxCluster, sharing: KubernetesWorker
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    builder.close(Category.BUILD_FAILED, "It does not build.")
    images.follow(sharing)
    late = queued(run)
    with pytest.raises(NoCapacity):
        sharing.start(late)
    assert now(late).category == "build_failed"
    assert str(builder.task_id) in now(late).sentence
    assert now(late).sentence.endswith("It does not build.")
    assert len(cluster.list("jobs")) == 1


def test_the_next_suite_run_may_try_what_failed_for_the_one_before(
    sharing: KubernetesWorker,
) -> None:
    run = suite_run()
    start(sharing, queued(run)).close(Category.BUILD_FAILED)
    images.follow(sharing)
    assert builds(sharing, queued(like(run)))


def test_after_a_build_without_memory_the_next_builder_has_more(
    cluster: SandboxCluster, sharing: KubernetesWorker
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = wait_for(sharing, queued(run))
    builder.claim("pod")
    builder.close(Category.BUILD_OOM)
    images.follow(sharing)
    started = start(sharing, waiting)
    found = {one["name"]: one["resources"] for one in containers(job_of(cluster, started))}
    small, large = sharing.config.manifest.classes
    assert found["kaniko"] == large.builder.as_json()
    assert found["test"] == small.test.as_json()


def test_a_build_without_memory_in_the_largest_class_has_failed(sharing: KubernetesWorker) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = wait_for(sharing, queued(run))
    for _ in range(2):
        builder.claim("pod")
        builder.close(Category.BUILD_OOM)
        images.follow(sharing)
        following = Assignment.objects.filter(task=builder.task, closed_at=None).first()
        if following:
            builder = start(sharing, following)
    assert Image.objects.get().state == ImageState.FAILED
    assert now(waiting).category == Category.BUILD_OOM


# What the registry says -------------------------------------------------------------------------


def test_an_image_is_ready_when_it_was_seen_and_not_when_a_pod_says_so(
    sharing: KubernetesWorker,
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = wait_for(sharing, queued(run))
    finish_build(builder, None)
    images.follow(sharing)
    assert image_of(builder).state == ImageState.BUILDING
    assert now(waiting).waits_for
    Assignment.objects.filter(pk=builder.pk).update(built_at=timezone.now() - timedelta(minutes=2))
    images.follow(sharing)
    assert builds(sharing, waiting)


def test_one_that_was_not_pushed_is_not_waited_for_when_its_builder_has_ended(
    sharing: KubernetesWorker,
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = wait_for(sharing, queued(run))
    finish_build(builder, None)
    builder.close(Category.AGENT_LOST)
    images.follow(sharing)
    assert builds(sharing, waiting)


@pytest.mark.parametrize("status", [500, 401, 429])
def test_a_registry_that_does_not_say_is_asked_again(
    sharing: KubernetesWorker, registry: ImageRegistry, status: int
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = wait_for(sharing, queued(run))
    finish_build(builder, registry)
    registry.faults({"status": status, "path": "/manifests/"})
    images.follow(sharing)
    assert now(waiting).waits_for
    registry.faults()
    images.follow(sharing)
    assert not builds(sharing, waiting)
    assert now(waiting).image_from == builder.pk


def test_what_cannot_be_seen_for_long_is_built_by_each_and_in_time_shared_again(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = [wait_for(sharing, queued(run)) for _ in range(2)]
    finish_build(builder, registry)
    registry.faults({"status": 403, "path": "/manifests/"})
    Assignment.objects.filter(pk=builder.pk).update(built_at=timezone.now() - timedelta(minutes=2))
    images.follow(sharing)
    assert all([builds(sharing, assignment) for assignment in waiting])
    Image.objects.update(changed_at=timezone.now() - timedelta(minutes=11))
    assert builds(sharing, queued(run))
    assert not builds(sharing, queued(run))


def test_a_lost_image_is_built_anew_by_the_next_attempt(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run = suite_run()
    builder = built(sharing, registry, run)
    follower = start(sharing, queued(run))
    Image.lose(builder.pk)
    follower.claim("pod")
    follower.close(Category.IMAGE_PULL_NOT_FOUND)
    retry = Assignment.objects.get(task=follower.task, number=2)
    assert (retry.backend, retry.task.state) == ("kubernetes", TaskState.QUEUED)
    assert builds(sharing, retry)


def test_to_lose_an_image_that_was_built_anew_changes_nothing(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run = suite_run()
    first = built(sharing, registry, run)
    assert Image.lose(first.pk)
    second = start(sharing, queued(run))
    assert not Image.lose(first.pk)
    assert image_of(second).state == ImageState.BUILDING
