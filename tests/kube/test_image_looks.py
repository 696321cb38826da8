"""What the controller makes of what it sees, and does not see, in the registry."""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from dispatch.models import Assignment
from dispatch.outcomes import Category
from kube import images
from kube.models import Image, ImageState
from kube.worker import KubernetesWorker
from tests.kube.cluster import SandboxCluster
from tests.kube.image_registry import ImageRegistry
from tests.kube.sharing import (
    builds,
    built,
    finish_build,
    image_of,
    now,
    queued,
    say_built,
    start,
    suite_run,
    wait_for,
)
from tests.kube.test_registry import server
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

NOT_THERE = {"status": 404, "path": "/manifests/"}
LATE = timedelta(minutes=2)


def is_late(builder: Assignment) -> None:
    Assignment.objects.filter(pk=builder.pk).update(built_at=timezone.now() - LATE)


# Not there --------------------------------------------------------------------------------------


@pytest.mark.parametrize("reached", ["services_ready", "tests_started", "passed", "failed"])
def test_what_a_node_has_pulled_is_there_and_we_look_in_the_wrong_place(
    sharing: KubernetesWorker,
    registry: ImageRegistry,
    caplog: pytest.LogCaptureFixture,
    reached: str,
) -> None:
    """It is not built by one after the other, as if it were never pushed."""
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = [wait_for(sharing, queued(run)) for _ in range(2)]
    finish_build(builder, registry)
    if reached in (Category.PASSED, Category.FAILED):
        builder.close(reached)
    else:
        builder.reach(reached)
    registry.faults(NOT_THERE)
    images.follow(sharing)
    assert image_of(builder).state == ImageState.BUILDING, "a copy may lag behind for a moment"
    is_late(builder)
    with caplog.at_level(logging.WARNING, "kube.images"):
        images.follow(sharing)
    assert "not where we look" in caplog.text
    assert all([builds(sharing, assignment) for assignment in waiting])


def test_after_two_that_pushed_nothing_that_we_see_each_builds_its_own(
    sharing: KubernetesWorker,
) -> None:
    run = suite_run()
    waiting = [queued(run) for _ in range(4)]
    for _ in range(2):
        builder = start(sharing, now(waiting.pop()))
        finish_build(builder, None)
        is_late(builder)
        images.follow(sharing)
    assert all([builds(sharing, now(assignment)) for assignment in waiting])


# Something else ---------------------------------------------------------------------------------


def test_what_somebody_else_has_pushed_there_is_not_shared(
    sharing: KubernetesWorker, registry: ImageRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = wait_for(sharing, queued(run))
    told = finish_build(builder, registry)
    other = registry.push(image_of(builder).reference, "something else")
    images.follow(sharing)
    assert told in caplog.text and other in caplog.text
    assert image_of(builder).state == ImageState.UNSHARED
    assert builds(sharing, waiting)


@pytest.mark.parametrize("told", ["", "none", "sha256:1234"])
def test_one_whose_builder_names_no_digest_is_not_shared(
    sharing: KubernetesWorker, registry: ImageRegistry, told: str
) -> None:
    builder = start(sharing, queued(suite_run()))
    registry.push(image_of(builder).reference)
    say_built(builder, told)
    images.follow(sharing)
    assert image_of(builder).state == ImageState.UNSHARED


# Slow -------------------------------------------------------------------------------------------


@pytest.fixture
def never_answers() -> Iterator[str]:
    enough = threading.Event()
    with server(lambda handler: None if enough.wait(60) else None) as host:
        yield host
        enough.set()


def test_a_slow_registry_keeps_back_neither_the_loop_nor_those_that_need_no_look(
    sharing: KubernetesWorker, never_answers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = replace(sharing.registry, url=f"http://{never_answers}", timeout=1.0)
    for _ in range(20):
        say_built(start(sharing, queued(suite_run())), f"sha256:{'0' * 64}")
    run = suite_run()
    lost = start(sharing, queued(run))
    waiting = wait_for(sharing, queued(run))
    lost.close(Category.CANCELLED)
    monkeypatch.setattr(sharing, "registry", slow)
    free_before_the_look: list[str] = []
    look_at = type(slow).look_at

    def note(registry: object, references: list[str]) -> object:
        free_before_the_look.append(now(waiting).waits_for)
        return look_at(registry, references)  # type: ignore[arg-type]

    monkeypatch.setattr(type(slow), "look_at", note)
    began = time.monotonic()
    images.follow(sharing)
    assert time.monotonic() - began < 2.5, "20 looks one after the other, 8 at once, take 3 s"
    assert free_before_the_look == [""]
    assert Image.objects.filter(state=ImageState.BUILDING).count() == 20


# Gone later -------------------------------------------------------------------------------------


def looked_long_ago() -> None:
    Image.objects.update(looked_at=timezone.now() - timedelta(minutes=6))


def test_what_is_in_use_is_looked_at_again_and_built_anew_where_it_has_gone(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run = suite_run()
    builder = built(sharing, registry, run)
    assert not builds(sharing, queued(run))
    registry.lose(image_of(builder).pinned)
    images.follow(sharing)
    assert image_of(builder).state == ImageState.READY, "it was seen a moment ago"
    looked_long_ago()
    images.follow(sharing)
    assert builds(sharing, queued(run))


def test_what_nobody_uses_is_not_looked_at_again(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    builder = built(sharing, registry, suite_run())
    registry.lose(image_of(builder).pinned)
    looked_long_ago()
    images.follow(sharing)
    assert image_of(builder).state == ImageState.READY


def test_what_is_still_there_or_cannot_be_seen_stays_in_use_and_is_not_looked_at_each_time(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run = suite_run()
    builder = built(sharing, registry, run)
    for rules in ([], [{"status": 503, "path": "/manifests/"}]):
        registry.faults(*rules)
        assert not builds(sharing, queued(run))
        looked_long_ago()
        images.follow(sharing)
        image = image_of(builder)
        assert (image.state, image.used_at) == (ImageState.READY, None)
        assert image.looked_at and timezone.now() - image.looked_at < timedelta(minutes=1)


def test_of_many_in_use_so_many_are_looked_at_in_a_pass(
    sharing: KubernetesWorker, registry: ImageRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "LOOKS_AGAIN", 2)
    for _ in range(3):
        run = suite_run()
        built(sharing, registry, run)
        assert not builds(sharing, queued(run))
    looked_long_ago()
    left = []
    for _ in range(2):
        images.follow(sharing)
        left.append(Image.objects.filter(used_at__isnull=False).count())
    assert left == [1, 0]


# Not pulled -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["not_found", "auth", "network"])
def test_another_one_s_image_that_is_not_pulled_for_whatever_reason_is_built_anew(
    cluster: SandboxCluster, sharing: KubernetesWorker, registry: ImageRegistry, cause: str
) -> None:
    """Many registries say of what is not there that it is denied."""
    run = suite_run()
    builder = built(sharing, registry, run)
    grace = replace(sharing.config.grace, pull=0)
    hasty = KubernetesWorker(replace(sharing.config, grace=grace))
    cluster.faults({"kind": "image_pull", "image": "@sha256", "cause": cause})
    follower = start(hasty, queued(run))
    assert follower.image_from == builder.pk
    wait_until(lambda: hasty.observe([follower])[0].ended)
    assert hasty.observe([follower])[0].ended == f"image_pull_{cause}"
    assert image_of(builder).state == ImageState.FREE


def test_an_image_of_its_own_that_may_not_be_pulled_is_not_lost(
    cluster: SandboxCluster, sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    grace = replace(sharing.config.grace, pull=0)
    hasty = KubernetesWorker(replace(sharing.config, grace=grace))
    cluster.faults({"kind": "image_pull", "image": "switchyard/r-", "cause": "auth"})
    builder = built(hasty, registry, suite_run())
    wait_until(lambda: hasty.observe([builder])[0].ended)
    assert image_of(builder).state == ImageState.READY
