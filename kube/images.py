"""Builds an image once for all that need the same one.

Who asks first builds it, in its own Job, and the others wait for it without a Job, untried. This
loop alone judges what has become of a build: it is ready when its agent has said so and we have
seen the image in the registry; it failed where the customer's Dockerfile did; and whatever else
has ended its builder frees it for the next one. Then those that waited go on.

What we cannot see in the registry for a while, although it was built, is not shared: each builds
its own, rather than one after the other.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

from django.utils import timezone

from dispatch.backends import NoCapacity, Rejected, Waits
from dispatch.models import Assignment
from dispatch.outcomes import Category
from dispatch.waiting import let_go_on, what_is_waited_for
from kube.config import Config
from kube.manifest.request import ImageSource, JobRequest
from kube.models import Image, ImageState
from kube.names import BACKEND
from kube.planner.plan import Plan
from kube.registry import Unseen
from kube.requesting import key_of, plan_of, request_of, with_rows

if TYPE_CHECKING:
    from kube.worker import KubernetesWorker

# These ends of a builder are the Dockerfile's: it would end so for everybody.
OF_THE_DOCKERFILE = (Category.BUILD_FAILED, Category.BASE_IMAGE_NOT_FOUND)
# What we could not see is looked at again by one that builds it after so long.
UNSHARED = timedelta(minutes=10)
LOOKS_AT_ONCE = 8

logger = logging.getLogger(__name__)


# Who builds ------------------------------------------------------------------------------------


def source_for(
    assignment: Assignment, plan: Plan, request: JobRequest, config: Config
) -> ImageSource:
    """The image that its Job builds, or runs without building. Raises Waits where another one
    builds it now, Rejected, and NoCapacity where it has ended with the build of its suite run."""
    if not config.build_once:
        return request.source
    key, suite_run = key_of(assignment, plan, request, config), assignment.task.suite_run_id
    image = Image.wanted_by(assignment.pk, suite_run=suite_run, key=key, reference=request.image)
    while _nobody_builds(image, suite_run, config):
        if not image.build_anew(assignment.pk, suite_run=suite_run, reference=request.image):
            image.refresh_from_db()
    return _source_of(image, assignment, request)


def _nobody_builds(image: Image, suite_run: UUID, config: Config) -> bool:
    """Nor has built it lately, nor shown that it cannot be built for this suite run."""
    age = timezone.now() - image.changed_at
    if image.state == ImageState.READY:
        return age > timedelta(hours=config.image_hours)
    if image.state == ImageState.FAILED:
        return image.suite_run != suite_run
    return image.state == ImageState.FREE or (image.state == ImageState.UNSHARED and age > UNSHARED)


def _source_of(image: Image, assignment: Assignment, request: JobRequest) -> ImageSource:
    if image.state == ImageState.READY:
        return ImageSource(reference=image.pinned, built_by=image.builder)
    if image.state == ImageState.FAILED:
        assignment.close(image.category, image.sentence)
        raise NoCapacity("its image could not be built")
    if image.state == ImageState.BUILDING and image.builder != assignment.pk:
        raise Waits(f"waiting for the image that Task {_task_of(image)} builds", image.key)
    return ImageSource(reference=request.image, size=image.size)


def _task_of(image: Image) -> UUID | None:
    rows = Assignment.objects.filter(pk=image.builder)
    return rows.values_list("task_id", flat=True).first()


# What has become of the builds -----------------------------------------------------------------


def follow(worker: "KubernetesWorker") -> None:
    """The loop's step."""
    building = list(Image.objects.filter(state=ImageState.BUILDING))
    builders = Assignment.objects.in_bulk([image.builder for image in building])
    built = [image for image in building if _is_built(builders.get(image.builder))]
    seen = dict(zip([image.pk for image in built], _look(worker, built), strict=True))
    for image in building:
        _judge(image, builders.get(image.builder), seen.get(image.pk), worker.config)
    _let_go_on()
    _forget(worker.config)


def _is_built(builder: Assignment | None) -> bool:
    return builder is not None and builder.built_at is not None


def _look(worker: "KubernetesWorker", images: list[Image]) -> Iterator[str | Unseen | None]:
    """Of each its digest, None where it is not there, or why that cannot be said."""

    def look(image: Image) -> str | Unseen | None:
        try:
            return worker.registry.digest_of(image.reference)
        except Unseen as trouble:
            return trouble

    return _pool().map(look, images)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="look for images")


def _judge(
    image: Image, builder: Assignment | None, seen: str | Unseen | None, config: Config
) -> None:
    """A builder that was moved to another backend builds nothing."""
    if builder is None or builder.backend != BACKEND:
        image.free()
    elif isinstance(seen, str):
        image.ready(seen)
    elif builder.built_at is not None:
        _judge_unseen(image, builder, builder.built_at, seen, config)
    elif builder.live:
        return
    elif builder.category in OF_THE_DOCKERFILE:
        _fail(image, builder, config)
    elif builder.category == Category.BUILD_OOM:
        _free_for_a_larger_one(image, builder, config)
    else:
        image.free()


def _judge_unseen(
    image: Image, builder: Assignment, built_at: datetime, seen: Unseen | None, config: Config
) -> None:
    """It is given a while to be seen, but not where it is not there and nobody is left who could
    bring it."""
    late = timezone.now() - built_at > timedelta(seconds=config.image_patience)
    if seen is None and (late or not builder.live):
        image.free()
    elif seen is not None and late:
        logger.warning("A built image cannot be seen, and is not shared: %s", seen)
        image.unshare()


def _free_for_a_larger_one(image: Image, builder: Assignment, config: Config) -> None:
    """Whoever builds it next has the room that this one missed; there is no use in more tries in
    the largest class."""
    size = max(image.size, builder.size_class) + 1
    if size < len(config.manifest.classes):
        image.free(size=size)
    else:
        _fail(image, builder, config)


def _fail(image: Image, builder: Assignment, config: Config) -> None:
    """Those of the suite run that need this image end alike. One that comes later, or that we do
    not get to here, ends when it is started."""
    if not image.fail(builder.category, builder.sentence):
        return
    let_go_on(BACKEND, [image.key])
    for assignment in _that_need(image, config):
        assignment.close(image.category, image.sentence)


def _that_need(image: Image, config: Config) -> Iterator[Assignment]:
    queued = Assignment.queued(BACKEND).filter(task__suite_run=image.suite_run)
    for pk in list(queued.values_list("pk", flat=True)):
        assignment = with_rows(pk)
        try:
            plan = plan_of(assignment)
            key = key_of(assignment, plan, request_of(assignment, config), config)
        except Rejected:
            continue
        if key == image.key:
            yield assignment


def _let_go_on() -> None:
    """Whoever waits for what nobody builds any more, however that came to be."""
    wanted = what_is_waited_for(BACKEND)
    if wanted:
        rows = Image.objects.filter(pk__in=wanted, state=ImageState.BUILDING)
        let_go_on(BACKEND, wanted - set(rows.values_list("pk", flat=True)))


def _forget(config: Config) -> None:
    """What nobody uses any more."""
    old = timezone.now() - timedelta(hours=config.image_hours)
    rows = Image.objects.filter(changed_at__lt=old)
    rows.exclude(state=ImageState.BUILDING).delete()
