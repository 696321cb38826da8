"""However many begin at once, in however many controllers: one builds at a time."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import TypeVar
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from dispatch.backends import NoCapacity
from dispatch.ids import new_id
from dispatch.models import Assignment
from kube import images
from kube.config import config
from kube.manifest.request import job_name
from kube.models import Image, ImageState
from kube.worker import KubernetesWorker
from tests.kube.cluster import SandboxCluster
from tests.kube.sharing import containers, queued, suite_run

SUITE_RUN = new_id()
TOGETHER = 8
Item = TypeVar("Item")
Result = TypeVar("Result")


def want(builder: UUID, key: str = "key") -> Image:
    reference = f"r:{builder}"
    return images.wanted(key, builder, config(), suite_run=SUITE_RUN, reference=reference)


def at_once(do: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """For all of them, each with a connection of its own, as in as many controllers."""
    ready = threading.Barrier(len(items))

    def run(item: Item) -> Result:
        try:
            ready.wait(20)
            return do(item)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(run, items, timeout=60))


@pytest.mark.django_db(transaction=True)
def test_of_many_that_ask_first_one_builds_and_the_others_see_it() -> None:
    for key in map(str, range(10)):
        builders = [new_id() for _ in range(TOGETHER)]
        seen = at_once(partial(want, key=key), builders)
        (builder,) = {image.builder for image in seen}
        assert builder in builders
        assert Image.objects.get(pk=key).reference == f"r:{builder}"


@pytest.mark.django_db(transaction=True)
def test_of_many_that_follow_a_lost_builder_one_builds() -> None:
    want(new_id())
    for _ in range(10):
        assert Image.objects.get().free()
        seen = at_once(want, [new_id() for _ in range(TOGETHER)])
        assert {image.builder for image in seen} == {Image.objects.get().builder}


@pytest.mark.django_db(transaction=True)
def test_two_controllers_that_judge_a_build_agree_on_one_end() -> None:
    """A paused one that sees it again must not take the image from those that use it."""
    for key in map(str, range(10)):
        paused = want(new_id(), key)
        other = Image.objects.get(pk=key)
        moves: list[Callable[[], bool]] = [paused.free, partial(other.ready, "sha256:1")]
        freed, ready = at_once(lambda move: move(), moves)
        assert freed is not ready
        state = Image.objects.get(pk=key).state
        assert state == (ImageState.FREE if freed else ImageState.READY)


@pytest.mark.django_db(transaction=True)
def test_of_two_controllers_that_start_a_suite_run_at_once_one_makes_one_builder(
    cluster: SandboxCluster, sharing: KubernetesWorker
) -> None:
    run, workers = suite_run(), [sharing, KubernetesWorker(sharing.config)]
    tasks = [queued(run) for _ in range(3)]

    def start(pair: tuple[KubernetesWorker, Assignment]) -> str | None:
        worker, assignment = pair
        try:
            return worker.start(assignment).external_id
        except NoCapacity:
            return None

    placed = at_once(start, [(worker, task) for task in tasks for worker in workers])
    (job,) = cluster.list("jobs")
    assert "kaniko" in [one["name"] for one in containers(job)]
    metadata = job["metadata"]
    assert {found for found in placed if found} == {f"{metadata['name']}/{metadata['uid']}"}
    assert metadata["name"] == job_name(Assignment.by_id(Image.objects.get().builder).task_id, 1)


class TestAnyCourse(TestCase):
    """Whatever several do with what they have seen, and however old that is."""

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 2**32), steps=st.integers(5, 60))
    def test_who_was_told_to_build_is_the_builder_until_somebody_said_otherwise(
        self, seed: int, steps: int
    ) -> None:
        chance, seen = Random(seed), [want(new_id())]
        builder, state, lost = seen[0].builder, ImageState.BUILDING, False
        for _ in range(steps):
            row = chance.choice(seen)
            new = new_id()
            acts = ["free", "ready", "fail", "anew", "look", "lose", "pass on", "unshare"]
            act = chance.choice(acts)
            if act == "look":
                seen.append(Image.objects.get())
            elif act == "lose" and Image.lose(row.builder):
                assert (row.builder, state) == (builder, ImageState.READY)
                state = ImageState.FREE
            elif act == "free" and row.free():
                state = ImageState.FREE
            elif act == "pass on" and row.pass_on():
                state = ImageState.UNSHARED if lost else ImageState.FREE
                lost = not lost
            elif act == "unshare" and row.unshare():
                state, lost = ImageState.UNSHARED, False
            elif act == "ready" and row.ready("sha256:2"):
                state, lost = ImageState.READY, False
            elif act == "fail" and row.fail("build_failed", "no"):
                state, lost = ImageState.FAILED, False
            elif act == "anew" and row.build_anew(new, suite_run=SUITE_RUN, reference="r:n"):
                builder, state = new, ImageState.BUILDING
            now = Image.objects.get()
            assert (now.builder, now.state) == (builder, state)
