"""Builds an image once for all that need the same one.

Who asks first builds it, in its own Job, and the others wait for it without a Job, untried. This
loop alone judges what has become of a build: it is ready when its agent has said so and we have
seen that very image in the registry; it failed where the customer's Dockerfile did; and whatever
else has ended its builder frees it for the next one. Then those that waited go on.

Nobody waits for one builder after the other: where two have brought nothing, where the pod of one
did not come to life, and where we cannot see in the registry for a while what was built, it is not
shared, and each builds its own.
"""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from dispatch.backends import NoCapacity, Rejected, Waits
from dispatch.evidence import AGENT_EVENT
from dispatch.models import Assignment, TaskEvent
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
BUILD_FINISHED = f"{AGENT_EVENT}build_finished"
# What is not shared is built for all by one that asks after so long.
UNSHARED = timedelta(minutes=10)
# Who is to build has its Job by then, or somebody else may build.
JOB_MADE = timedelta(seconds=15)
# What is in use is looked at again after so long, so many of them in a pass.
LOOK_AGAIN = timedelta(minutes=5)
LOOKS_AGAIN = 8
WITHOUT_A_JOB = Q(external_id=None, start_tried_at=None, claimed_at=None)

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
    image = wanted(key, assignment.pk, config, suite_run=suite_run, reference=request.image)
    return _source_of(image, assignment, request)


def wanted(key: str, builder: UUID, config: Config, *, suite_run: UUID, reference: str) -> Image:
    """The image of this key, which this Assignment builds from now on where nobody else does."""
    while True:
        image = Image.wanted_by(builder, suite_run=suite_run, key=key, reference=reference)
        if not _nobody_builds(image, suite_run, config):
            return image
        if image.build_anew(builder, suite_run=suite_run, reference=reference):
            return image


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
        image.use()
        return ImageSource(reference=image.pinned, built_by=image.builder)
    if image.state == ImageState.FAILED:
        assignment.close(image.category, image.sentence, still=Q(external_id=None, claimed_at=None))
        raise NoCapacity("its image could not be built")
    if image.state == ImageState.BUILDING and image.builder != assignment.pk:
        raise Waits(f"waiting for the image that Task {_task_of(image)} builds", image.key)
    return ImageSource(reference=request.image, size=image.size)


def _task_of(image: Image) -> UUID | None:
    rows = Assignment.objects.filter(pk=image.builder)
    return rows.values_list("task_id", flat=True).first()


# What has become of the builds -----------------------------------------------------------------


def follow(worker: "KubernetesWorker") -> None:
    """The loop's step. Those that need no look at the registry are not kept back by a slow one."""
    building = list(Image.objects.filter(state=ImageState.BUILDING).order_by("changed_at"))
    builders = Assignment.objects.in_bulk([image.builder for image in building])
    built: list[tuple[Image, Assignment]] = []
    for image in building:
        builder = builders.get(image.builder)
        if builder is not None and builder.backend == BACKEND and builder.built_at is not None:
            built.append((image, builder))
        else:
            _judge(image, builder, worker.config)
    _let_go_on()
    _look(worker, built)
    _let_go_on()
    _forget(worker.config)


def _judge(image: Image, builder: Assignment | None, config: Config) -> None:
    """Of one that is not built (yet). A builder that was moved to another backend builds nothing,
    and one that has no Job (its create failed, or we ended) need not get one soon."""
    if builder is None or builder.backend != BACKEND:
        image.free()
    elif builder.live:
        if _has_no_job(builder) and timezone.now() - image.changed_at > JOB_MADE:
            image.free()
    elif builder.category in OF_THE_DOCKERFILE or _took_too_long(builder):
        _fail(image, builder, config)
    elif builder.category == Category.BUILD_OOM:
        _free_for_a_larger_one(image, builder, config)
    elif builder.category == Category.CANCELLED:
        image.free()
    elif builder.claimed_at is None:
        # Why no pod of it came to life, the next one's would not either.
        image.unshare()
    else:
        image.pass_on()


def _has_no_job(builder: Assignment) -> bool:
    """As far as was written down: one whose agent has claimed surely has one."""
    return builder.external_id is None and builder.claimed_at is None


def _took_too_long(builder: Assignment) -> bool:
    """In its build: a clone that hangs is not the Dockerfile's."""
    return builder.category == Category.TIMEOUT and builder.cloned_at is not None


def _look(worker: "KubernetesWorker", built: list[tuple[Image, Assignment]]) -> None:
    """At what was built, and at some of what is in use: it may have gone."""
    again = list(Image.to_look_at_again(timezone.now() - LOOK_AGAIN)[:LOOKS_AGAIN])
    references = [image.reference for image, _ in built] + [image.pinned for image in again]
    seen = worker.registry.look_at(references) if references else []
    for (image, builder), found in zip(built, seen, strict=False):
        _judge_built(image, builder, found, worker.config)
    for image, found in zip(again, seen[len(built) :], strict=True):
        if found is None:
            image.free()
        else:
            image.looked()


def _judge_built(
    image: Image, builder: Assignment, seen: str | Unseen | None, config: Config
) -> None:
    """What was built is given a while to be seen, but not where it is not there and nobody is left
    who could bring it. Where a node has pulled it, it is there, whatever we see."""
    assert builder.built_at is not None
    late = timezone.now() - builder.built_at > timedelta(seconds=config.image_patience)
    if isinstance(seen, str):
        _judge_digest(image, builder, seen)
    elif late and (seen is not None or _was_pulled(builder)):
        why = seen or f"{image.reference} is not where we look, though a node has pulled it"
        logger.warning("A built image cannot be seen, and is not shared: %s", why)
        image.unshare()
    elif seen is None and (late or not (builder.live or _was_pulled(builder))):
        image.pass_on()


def _was_pulled(builder: Assignment) -> bool:
    reached = builder.services_ready_at or builder.tests_started_at
    return reached is not None or builder.category in (Category.PASSED, Category.FAILED)


def _judge_digest(image: Image, builder: Assignment, seen: str) -> None:
    """Any pod that may push could have put another image there: what is shared is what the builder
    says it has pushed."""
    told = _digest_told_by(builder)
    if seen == told:
        image.ready(seen)
    elif image.unshare():
        logger.error(
            "%s is not what was built, and is not shared: its builder has pushed %s, there is %s",
            image.reference,
            told or "no digest that we know",
            seen,
        )


def _digest_told_by(builder: Assignment) -> str:
    events = TaskEvent.objects.filter(assignment=builder, kind=BUILD_FINISHED)
    detail = events.order_by("seq").values_list("detail", flat=True).first()
    return str((detail or {}).get("detail", ""))


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
    not get to here, ends when it is started; one whose Job may run builds its own."""
    sentence = f"Task {builder.task_id} built the image for this one, too: {builder.sentence}"
    if not image.fail(builder.category, sentence):
        return
    let_go_on(BACKEND, [image.key])
    for assignment in _that_need(image, config):
        assignment.close(image.category, image.sentence, still=WITHOUT_A_JOB)


def _that_need(image: Image, config: Config) -> Iterator[Assignment]:
    queued = Assignment.queued(BACKEND).filter(WITHOUT_A_JOB, task__suite_run=image.suite_run)
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
