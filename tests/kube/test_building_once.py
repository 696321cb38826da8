"""An image is built once for all that need the same one."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dispatch.models import Assignment
from kube import images
from kube.manifest.request import job_name
from kube.models import Image, ImageState
from kube.worker import KubernetesWorker
from tests.kube.cluster import COMPOSE, DOCKERFILE, SandboxCluster
from tests.kube.image_registry import ImageRegistry
from tests.kube.sharing import (
    WITH_ARGUMENT,
    Json,
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

LATER = timedelta(hours=25)


# Who builds, and who waits ----------------------------------------------------------------------


def test_the_first_of_a_suite_run_builds_and_the_others_wait_without_a_job(
    cluster: SandboxCluster, sharing: KubernetesWorker
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    assert "kaniko" in [one["name"] for one in containers(job_of(cluster, builder))]
    for _ in range(4):
        waiting = wait_for(sharing, queued(run))
        text = f"waiting for the image that Task {builder.task_id} builds"
        assert (waiting.pending, waiting.start_tried_at) == (text, None)
    images.follow(sharing)
    assert Assignment.objects.exclude(waits_for="").count() == 4
    assert len(cluster.list("jobs")) == 1
    assert builder.image_from is None


def test_those_that_waited_run_the_image_by_its_digest_and_build_nothing(
    cluster: SandboxCluster, sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run = suite_run()
    builder = start(sharing, queued(run))
    waiting = [wait_for(sharing, queued(run)) for _ in range(2)]
    past = timezone.now() - timedelta(seconds=40)
    Assignment.objects.filter(pk=waiting[0].pk).update(pending_since=past)
    digest = finish_build(builder, registry)
    images.follow(sharing)
    for assignment in waiting:
        assert now(assignment).waits_for == ""
        started = start(sharing, assignment)
        assert started.image_from == builder.pk
        found = {one["name"]: one for one in containers(job_of(cluster, started))}
        assert "kaniko" not in found
        reference = image_of(builder).reference.rpartition(":")[0] + f"@{digest}"
        assert found["test"]["image"] == reference
        variables = {item["name"]: item.get("value") for item in found["agent"]["env"]}
        assert (variables["SWITCHYARD_BUILD"], variables["SWITCHYARD_IMAGE"]) == ("0", reference)
    assert timedelta(seconds=40) <= now(waiting[0]).image_wait < timedelta(seconds=100)
    assert now(builder).image_wait == timedelta(0)


def test_a_later_suite_run_of_the_same_commit_builds_nothing(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run = suite_run()
    builder = built(sharing, registry, run)
    later = queued(like(run))
    assert not builds(sharing, later)
    assert (now(later).image_from, now(later).image_wait) == (builder.pk, timedelta(0))


STAGED = DOCKERFILE.replace("FROM ruby:3.3", "FROM ruby:3.3 AS test")


@pytest.mark.parametrize(
    "facts",
    [
        {"account": "another"},
        {"repository": "acme/another"},
        {"commit": "f" * 40},
        {"clone_url": "https://git.example.com/shop.git"},
        {"dockerfile_text": f"{STAGED}RUN true\n"},
        {"compose_text": COMPOSE.replace("context: ..", "context: ..\n      target: test")},
        {"compose_text": COMPOSE.replace("context: ..", "context: ..\n      args: {A: b}")},
    ],
    ids=["account", "repository", "commit", "clone_url", "Dockerfile", "target", "arguments"],
)
def test_what_another_builds_of_other_things_is_not_waited_for(
    sharing: KubernetesWorker, facts: Json
) -> None:
    run = suite_run(dockerfile_text=STAGED)
    start(sharing, queued(run))
    same = {"commit": run.commit, "dockerfile_text": STAGED}
    assert not builds(sharing, queued(suite_run(**same)))
    assert builds(sharing, queued(suite_run(**(same | facts))))


def test_a_variable_of_the_task_counts_where_the_build_is_given_it(
    sharing: KubernetesWorker,
) -> None:
    run = suite_run(compose_text=WITH_ARGUMENT)
    start(sharing, queued(run, VERSION="2", OTHER="a"))
    wait_for(sharing, queued(run, VERSION="2", OTHER="b"))
    assert builds(sharing, queued(run, VERSION="3", OTHER="a"))
    assert builds(sharing, queued(run))
    wait_for(sharing, queued(run, VERSION="1"))


def test_those_that_every_build_is_given_count_too(sharing: KubernetesWorker) -> None:
    run = suite_run()
    start(sharing, queued(run, BUNDLE_GITHUB__COM="first"))
    assert builds(sharing, queued(run, BUNDLE_GITHUB__COM="second"))


def test_a_secret_cannot_be_guessed_from_the_key(sharing: KubernetesWorker, settings: Any) -> None:
    """Whoever knows all but the secret and our key gets no further by trying values."""
    run = suite_run(compose_text=WITH_ARGUMENT)
    assignment = start(sharing, queued(run, VERSION="easy"))
    key = image_of(assignment).key
    assert "easy" not in key and len(key) >= 40
    settings.TOKEN_KEYS = {"k2": "another key of ours", **settings.TOKEN_KEYS}
    start(sharing, queued(run, VERSION="easy"))
    assert Image.objects.exclude(key=key).count() == 1


def test_another_builder_builds_anew(sharing: KubernetesWorker, registry: ImageRegistry) -> None:
    run = suite_run()
    built(sharing, registry, run)
    config = sharing.config
    newer = dataclasses.replace(config.manifest, builder_image="example.com/kaniko:newer")
    other = KubernetesWorker(dataclasses.replace(config, manifest=newer))
    assert builds(other, queued(run))


def test_an_old_image_is_built_anew(sharing: KubernetesWorker, registry: ImageRegistry) -> None:
    """The registry need not keep it for ever, nor are its packages the newest."""
    run = suite_run()
    builder = built(sharing, registry, run)
    Image.objects.update(changed_at=timezone.now() - LATER)
    again = queued(like(run))
    assert builds(sharing, again)
    assert image_of(again).state == ImageState.BUILDING
    assert not Image.objects.filter(builder=builder.pk).exists()


def test_what_nobody_has_used_for_long_is_forgotten(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    built(sharing, registry, suite_run())
    under_way = start(sharing, queued(suite_run()))
    Image.objects.update(changed_at=timezone.now() - LATER)
    images.follow(sharing)
    assert list(Image.objects.values_list("builder", flat=True)) == [under_way.pk]


def test_each_builds_its_own_where_that_is_set(sharing: KubernetesWorker) -> None:
    sharing.config = dataclasses.replace(sharing.config, build_once=False)
    run = suite_run()
    assert all([builds(sharing, queued(run)) for _ in range(2)])
    assert not Image.objects.exists()


# A start that is tried again --------------------------------------------------------------------


def test_the_builder_s_second_start_builds_as_the_first(
    cluster: SandboxCluster, sharing: KubernetesWorker
) -> None:
    assignment = queued(suite_run())
    first = sharing.start(assignment)
    assert sharing.start(assignment) == first
    assert len(cluster.list("jobs")) == 1


def test_a_job_keeps_the_image_that_it_was_made_for(
    sharing: KubernetesWorker, registry: ImageRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its starter ended before it was released, and meanwhile the image was built by others, or
    lost."""
    run = suite_run()
    builder = built(sharing, registry, run)
    assignment = queued(run)
    go_on = sharing._release
    monkeypatch.setattr(sharing, "_release", _end)
    with pytest.raises(_Ended):
        sharing.start(assignment)
    Image.lose(builder.pk)
    monkeypatch.setattr(sharing, "_release", go_on)
    started = start(sharing, now(assignment))
    assert started.image_from == builder.pk
    job = sharing.cluster.get("jobs", job_name(assignment.task_id, 1))
    assert job["spec"]["suspend"] is False


class _Ended(Exception):
    pass


def _end(*arguments: object) -> None:
    raise _Ended
