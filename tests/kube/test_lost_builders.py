"""Builders that bring nothing, for our reasons: nobody waits for one after the other."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dispatch.models import Assignment, SuiteRun
from dispatch.outcomes import Category
from kube import images
from kube.models import Image, ImageState
from kube.worker import KubernetesWorker
from tests.kube.cluster import SandboxCluster
from tests.kube.image_registry import ImageRegistry
from tests.kube.sharing import (
    builds,
    finish_build,
    image_of,
    now,
    queued,
    start,
    suite_run,
    wait_for,
)

pytestmark = pytest.mark.django_db

# Of a builder whose agent has begun.
LOST = [
    Category.NODE_LOST,
    Category.EVICTED,
    Category.REGISTRY_PUSH,
    Category.DISK_FULL,
    Category.DEADLINE,
]
# Of one whose pod did not come to life.
NEVER_BEGAN = [
    Category.UNSCHEDULABLE,
    Category.QUOTA,
    Category.IMAGE_PULL_AUTH,
    Category.POD_REFUSED,
]


def lose(builder: Assignment, category: str) -> None:
    builder.claim(f"pod of {builder.pk}")
    builder.close(category)


@pytest.mark.parametrize("category", LOST)
def test_after_two_that_are_lost_each_builds_its_own(
    sharing: KubernetesWorker, category: str
) -> None:
    run = suite_run()
    first = start(sharing, queued(run))
    waiting = [wait_for(sharing, queued(run)) for _ in range(3)]
    lose(first, category)
    images.follow(sharing)
    second = start(sharing, waiting.pop())
    for assignment in waiting:
        wait_for(sharing, now(assignment))
    lose(second, category)
    images.follow(sharing)
    assert image_of(second).state == ImageState.UNSHARED
    assert all([builds(sharing, assignment) for assignment in waiting])


@pytest.mark.parametrize("category", NEVER_BEGAN)
def test_after_one_whose_pod_never_came_to_life_each_builds_its_own(
    sharing: KubernetesWorker, category: str
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = [wait_for(sharing, queued(run)) for _ in range(2)]
    builder.close(category)
    images.follow(sharing)
    assert all([builds(sharing, assignment) for assignment in waiting])


def test_losses_that_are_not_in_a_row_do_not_add_up(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run = suite_run()
    lose(start(sharing, queued(run)), Category.NODE_LOST)
    images.follow(sharing)
    second = start(sharing, queued(run))
    finish_build(second, registry)
    images.follow(sharing)
    assert Image.lose(second.pk)
    lose(start(sharing, queued(run)), Category.NODE_LOST)
    images.follow(sharing)
    assert Image.objects.get().state == ImageState.FREE


def test_a_cancelled_builder_is_no_loss(sharing: KubernetesWorker) -> None:
    run = suite_run()
    for _ in range(3):
        start(sharing, queued(run)).close(Category.CANCELLED)
        images.follow(sharing)
        assert Image.objects.get().state == ImageState.FREE


def timed_out(sharing: KubernetesWorker, run: SuiteRun, *, cloned: bool) -> Assignment:
    builder = start(sharing, queued(run))
    builder.claim("pod")
    if cloned:
        builder.reach("cloned")
    waiting = wait_for(sharing, queued(run))
    builder.close(Category.TIMEOUT, "It took longer than its timeout.")
    images.follow(sharing)
    return now(waiting)


def test_a_build_that_hangs_is_the_customer_s_and_met_once(
    cluster: SandboxCluster, sharing: KubernetesWorker
) -> None:
    waiting = timed_out(sharing, suite_run(), cloned=True)
    assert waiting.category == Category.TIMEOUT
    assert waiting.sentence.endswith("It took longer than its timeout.")
    assert len(cluster.list("jobs")) == 1


def test_a_clone_that_hangs_says_nothing_of_the_dockerfile(sharing: KubernetesWorker) -> None:
    waiting = timed_out(sharing, suite_run(), cloned=False)
    assert waiting.live and waiting.waits_for == ""


# Builders without a Job -------------------------------------------------------------------------


def past(seconds: float) -> None:
    Image.objects.update(changed_at=timezone.now() - timedelta(seconds=seconds))


def test_a_builder_whose_job_cannot_be_made_is_not_waited_for_long(
    cluster: SandboxCluster, sharing: KubernetesWorker
) -> None:
    run = suite_run()
    builder = queued(run)
    cluster.faults({"kind": "500", "method": "POST", "path": "/jobs"})
    with pytest.raises(Exception, match="500"):
        sharing.start(builder)
    cluster.faults()
    waiting = wait_for(sharing, queued(run))
    images.follow(sharing)
    assert now(waiting).waits_for, "it may be made in the next moment"
    past(16)
    images.follow(sharing)
    assert builds(sharing, waiting)
    assert not builds(sharing, now(builder))


def test_a_builder_that_is_claimed_or_placed_is_waited_for(sharing: KubernetesWorker) -> None:
    """A Job that was made and not written down runs as well."""
    placed, claimed = suite_run(), suite_run()
    start(sharing, queued(placed))
    unwritten = queued(claimed)
    sharing.start(unwritten)
    unwritten.claim("pod")
    waiting = [wait_for(sharing, queued(run)) for run in (placed, claimed)]
    past(3600)
    images.follow(sharing)
    assert all(now(one).waits_for for one in waiting)


# Those that wait --------------------------------------------------------------------------------


def test_one_that_is_cancelled_while_it_waits_ends_and_holds_up_nobody(
    cluster: SandboxCluster, sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    cancelled, other = (wait_for(sharing, queued(run)) for _ in range(2))
    assert cancelled.close(Category.CANCELLED)
    finish_build(builder, registry)
    images.follow(sharing)
    assert (now(cancelled).category, now(cancelled).waits_for) == (Category.CANCELLED, "")
    assert not builds(sharing, other)
    assert len(cluster.list("jobs")) == 2


def test_a_failed_build_does_not_end_one_that_has_a_job(sharing: KubernetesWorker) -> None:
    """It was made, and its starter ended before it wrote that down: it builds its own."""
    run = suite_run()
    builder = start(sharing, queued(run))
    Image.objects.update(state=ImageState.UNSHARED)
    made = queued(run)
    sharing.start(made)
    Image.objects.update(state=ImageState.BUILDING)
    builder.close(Category.BUILD_FAILED, "It does not build.")
    images.follow(sharing)
    assert now(made).live


def test_an_old_image_that_is_forgotten_while_it_is_asked_for_is_built_anew(
    sharing: KubernetesWorker, registry: ImageRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    finish_build(builder, registry)
    images.follow(sharing)
    past(25 * 3600)
    build_anew = Image.build_anew

    def too_late(image: Image, *arguments: object, **facts: object) -> bool:
        monkeypatch.setattr(Image, "build_anew", build_anew)
        Image.objects.all().delete()
        return build_anew(image, *arguments, **facts)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "build_anew", too_late)
    assert builds(sharing, queued(run))
