"""`manage.py forget-image`: an operator has an image built anew."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from dispatch.ids import new_id
from dispatch.outcomes import Category
from kube import images
from kube.models import Image, ImageState
from kube.worker import KubernetesWorker
from tests.kube.image_registry import ImageRegistry
from tests.kube.sharing import (
    builds,
    built,
    image_of,
    like,
    queued,
    start,
    suite_run,
)

pytestmark = pytest.mark.django_db


def forget(*what: str) -> str:
    said = StringIO()
    call_command("forget-image", *what, stdout=said)
    return said.getvalue()


def test_an_image_is_built_anew_after_it_is_forgotten_by_its_commit(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run, other = suite_run(), suite_run()
    builder, kept = built(sharing, registry, run), built(sharing, registry, other)
    assert not builds(sharing, queued(run))
    assert f"{image_of(builder).reference}: is built anew" in forget(run.repository, run.commit)
    assert builds(sharing, queued(like(run)))
    assert image_of(kept).state == ImageState.READY


def test_by_a_task_that_built_it_or_ran_it(
    sharing: KubernetesWorker, registry: ImageRegistry
) -> None:
    run = suite_run()
    builder = built(sharing, registry, run)
    follower = start(sharing, queued(like(run)))
    for task in (builder.task_id, follower.task_id):
        Image.objects.update(state=ImageState.READY)
        forget(str(task))
        assert Image.objects.get().state == ImageState.FREE


def test_a_suite_run_whose_build_failed_may_try_once_more(sharing: KubernetesWorker) -> None:
    run = suite_run()
    start(sharing, queued(run)).close(Category.BUILD_FAILED)
    ended = queued(run)
    images.follow(sharing)
    forget(str(ended.task_id))
    assert builds(sharing, queued(run))


def test_one_that_is_being_built_stays_so_and_it_says_what_to_do(
    sharing: KubernetesWorker,
) -> None:
    builder = start(sharing, queued(suite_run()))
    assert "cancel its Task" in forget(str(builder.task_id))
    assert image_of(builder).state == ImageState.BUILDING


@pytest.mark.parametrize(
    "what,said",
    [
        (("acme/shop",), "acme/shop: give the id of a Task, or a repository and a commit."),
        (("acme/shop", "f" * 40), f"No image is known of acme/shop at {'f' * 40}."),
        ((str(new_id()),), "No image is known of"),
    ],
)
def test_what_is_not_known_is_said(what: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        forget(*what)
