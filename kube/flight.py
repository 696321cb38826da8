"""The Jobs in flight, as our own rows know them: web processes cannot ask the cluster."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Case, Count, Min, Q, QuerySet, Value, When

from dispatch.models import Assignment
from dispatch.models.assignment import PHASES
from kube.config import config
from kube.manifest.request import job_name
from kube.models import Image, ImageState
from kube.names import BACKEND

WAITING, STOPPING = "waiting", "stopping"
# What an attempt goes through, in order, and what it does once it is there.
STEPS = (
    ("placed_at", "placed", "starts its pod"),
    *(
        (f"{phase}_at", phase, meaning)
        for phase, meaning in zip(
            PHASES,
            (
                "clones the repository",
                "builds the image",
                "starts the services",
                "prepares the tests",
                "runs the tests",
                "is ready to finish",
            ),
            strict=True,
        )
    ),
)


@dataclass(frozen=True, kw_only=True)
class Flight:
    """One open Assignment and its Job. `phase` is the last one that it reached, at `since`."""

    row: Assignment
    phase: str
    meaning: str
    since: datetime

    @property
    def job(self) -> str:
        return job_name(self.row.task_id, self.row.number)

    @property
    def uid(self) -> str:
        return (self.row.external_id or "").partition("/")[2]

    @property
    def state(self) -> str:
        if not self.row.live:
            return "released" if self.row.released_at else STOPPING
        if self.row.pending:
            return WAITING
        return "running" if self.row.claimed_at else "starting"


def flight(row: Assignment) -> Flight:
    reached = [step for step in STEPS if getattr(row, step[0]) is not None]
    column, phase, meaning = reached[-1] if reached else ("created_at", "queued", "has no Job yet")
    return Flight(row=row, phase=phase, meaning=meaning, since=getattr(row, column))


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A phase of one attempt, `seconds` after the one before."""

    phase: str
    at: datetime
    seconds: float


def story(row: Assignment) -> Iterator[Reached]:
    """The phases that an attempt reached, by the server's clock."""
    before = row.created_at
    ends = (("closed_at", "closed", ""), ("released_at", "released", ""))
    yield Reached(phase="queued", at=before, seconds=0.0)
    for column, phase, _ in (*STEPS, *ends):
        moment = getattr(row, column)
        if moment is not None:
            seconds = max(0.0, (moment - before).total_seconds())
            yield Reached(phase=phase, at=moment, seconds=seconds)
            before = moment


def in_flight(only: str = "") -> QuerySet[Assignment]:
    """The open ones that may have a Job: those that wait, the longest first, then those being
    stopped, then the oldest. `only` is "", WAITING or STOPPING."""
    rows = Assignment.held(BACKEND).select_related("task__suite_run")
    if only == WAITING:
        rows = rows.filter(closed_at=None).exclude(pending="")
    elif only == STOPPING:
        rows = rows.filter(closed_at__isnull=False)
    waits = When(~Q(pending="") & Q(closed_at=None), then=Value(0))
    stops = When(closed_at__isnull=False, then=Value(1))
    return rows.order_by(Case(waits, stops, default=Value(2)), "pending_since", "id")


def counts() -> dict[str, int]:
    """Of the open ones that may have a Job: how many surely have one, are live, wait, run, are
    being stopped."""
    live = Q(closed_at=None)
    return (
        Assignment.held(BACKEND)
        .order_by()
        .aggregate(
            held=Count("id", Q(external_id__isnull=False)),
            live=Count("id", live),
            waiting=Count("id", live & ~Q(pending="")),
            running=Count("id", live & Q(claimed_at__isnull=False)),
            stopping=Count("id", ~live),
        )
    )


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What waits for a Job, `for_images` of it for an image that another one builds; `oldest_at` is
    None where nothing does."""

    length: int
    for_images: int
    oldest_at: datetime | None


def queue() -> Queue:
    found = (
        Assignment.queued(BACKEND)
        .order_by()
        .aggregate(n=Count("id"), images=Count("id", ~Q(waits_for="")), at=Min("created_at"))
    )
    return Queue(length=found["n"], for_images=found["images"], oldest_at=found["at"])


@dataclass(frozen=True, kw_only=True)
class Build:
    """An image that `builder` builds, and how many wait for it."""

    image: Image
    builder: Assignment
    waiting: int


def builds(most: int) -> list[Build]:
    """The images that are being built, those that most wait for first."""
    images = Image.objects.filter(state=ImageState.BUILDING)
    waiting = Assignment.queued(BACKEND).order_by().exclude(waits_for="")
    counts = dict(waiting.values_list("waits_for").annotate(n=Count("id")))
    rows = Assignment.objects.select_related("task__suite_run")
    builders = rows.in_bulk([image.builder for image in images])
    found = [
        Build(image=image, builder=builders[image.builder], waiting=counts.get(image.key, 0))
        for image in images
        if image.builder in builders
    ]
    return sorted(found, key=lambda one: (-one.waiting, one.image.changed_at))[:most]


def facts() -> Iterator[tuple[str, str]]:
    """The Jobs in short, for the overview."""
    found = counts()
    yield "Jobs in flight", f"{found['live'] + found['stopping']} of {config().limit}"
    yield "Stopping", str(found["stopping"])


def find(external_id: str) -> Assignment | None:
    """By its Task and number, which a Job's name tells; open or not."""
    name, _, _ = external_id.partition("/")
    task, _, number = name.removeprefix("task-").rpartition("-a")
    try:
        task_id = UUID(task)
    except ValueError:
        return None
    rows = Assignment.objects.select_related("task__suite_run")
    return rows.filter(
        task_id=task_id, number=int(number), backend=BACKEND, external_id=external_id
    ).first()
