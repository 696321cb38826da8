"""The droplet backend behind the core's interface. What it holds for an Assignment is a Worker."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from dispatch import prepared
from dispatch.backends import (
    BackendError,
    Capacity,
    Eligibility,
    Finding,
    NoCapacity,
    Placement,
    Sighting,
    TaskSpec,
)
from dispatch.models import Assignment
from dispatch.outcomes import Category, brought_verdict
from droplets import dispatcher
from droplets.cloud import Cloud
from droplets.config import Config, config
from droplets.models import PoolRequest, Worker, WorkerState

# Asked before every placing, so while a Task waits.
IDLE_AND_BUSY = """
SELECT count(*) FILTER (WHERE state = 'idle' AND drain_requested_at IS NULL),
       count(*) FILTER (WHERE state = 'busy')
FROM droplets_worker WHERE destroyed_at IS NULL
"""
DEFAULT_PATHS = {
    "dockerfile": ".saturnci/Dockerfile",
    "compose": ".saturnci/docker-compose.yml",
    "pre_script": ".saturnci/pre.sh",
    "service": "saturn_test_app",
}


class DropletBackend:
    def eligible(self, spec: TaskSpec) -> Eligibility:
        """Our own agent runs anything; the Ruby agent knows one way only."""
        if config().agent == "switchyard":
            return Eligibility()
        return Eligibility(reasons=tuple(_beyond_the_ruby_agent(spec)))

    def start(self, assignment: Assignment) -> Placement:
        placement = self.start_all([assignment]).get(assignment.pk)
        if placement is None:
            raise NoCapacity("no Worker is idle, or the Assignment is closed")
        return placement

    def start_all(self, assignments: Sequence[Assignment]) -> dict[UUID, Placement]:
        """One statement for all. Those that it leaves out may have been placed before."""
        holders = {key: str(worker) for key, worker in dispatcher.claim_all(assignments).items()}
        left_out = [assignment.pk for assignment in assignments if assignment.pk not in holders]
        if left_out:
            placed = Assignment.objects.filter(external_id__isnull=False, closed_at=None)
            holders |= {row.pk: str(row.external_id) for row in placed.filter(pk__in=left_out)}
        return {key: Placement(external_id=id, recorded=True) for key, id in holders.items()}

    def stop(self, assignment: Assignment) -> None:
        """A Worker that never saw the Assignment is idle again; any other is retired, once its
        agent has had time to send the rest of its logs."""
        worker = Worker.standing().filter(assignment_id=assignment.pk).first()
        if worker is None:
            return
        if assignment.delivered_at is None:
            worker.take_back(assignment.pk)
        elif _grace_is_over(assignment, worker):
            worker.retire("its Assignment is closed")

    def observe(self, assignments: Sequence[Assignment]) -> list[Sighting]:
        ids = [assignment.pk for assignment in assignments]
        workers = {
            worker.assignment_id: worker
            for worker in Worker.standing().filter(assignment_id__in=ids)
        }
        gone = set(_placed(assignments)) - workers.keys()
        return [
            _sighting(assignment, workers.get(assignment.pk), gone) for assignment in assignments
        ]

    def capacity(self) -> Capacity:
        ((idle, busy),) = prepared.run(IDLE_AND_BUSY, [])
        return Capacity(free=idle, in_use=busy, limit=config().limit)

    def check(self) -> Iterable[Finding]:
        yield from _findings(config())


def _placed(assignments: Sequence[Assignment]) -> Iterator[UUID]:
    return (assignment.pk for assignment in assignments if assignment.external_id is not None)


def _sighting(assignment: Assignment, worker: Worker | None, gone: set[UUID]) -> Sighting:
    """A live Assignment whose Worker's row has ended was left behind by a crash in between."""
    lost = worker is not None and worker.state in (WorkerState.LOST, WorkerState.RETIRED)
    ended = Category.DROPLET_LOST if lost or assignment.pk in gone else None
    return Sighting(assignment_id=assignment.pk, holds=worker is not None, ended=ended)


def _grace_is_over(assignment: Assignment, worker: Worker) -> bool:
    """The agent has time to send the rest: from its finish on, or, as long as that has not come,
    while it is heard. One that was stopped by us gets the same time from then on."""
    if worker.events.filter(kind="runner_deleted").exists():
        return True
    moments = [assignment.closed_at, assignment.finished_at]
    if assignment.finished_at is None and brought_verdict(assignment.category):
        moments.append(worker.last_seen_at)
    last = max(moment for moment in moments if moment is not None)
    return timezone.now() - last >= timedelta(seconds=config().grace)


def _beyond_the_ruby_agent(spec: TaskSpec) -> Iterator[str]:
    if spec.command:
        yield "command: the droplets' Ruby agent runs RSpec only; leave it out"
    if spec.test_files is not None:
        yield "test_files: the droplets' Ruby agent picks the files itself; leave them out"
    if spec.clone_url not in ("", f"https://github.com/{spec.repository}.git"):
        yield "clone_url: the droplets' Ruby agent clones from GitHub only; leave it out"
    for name, path in spec.paths.items():
        if path != DEFAULT_PATHS.get(name, path):
            yield f"paths.{name}: the droplets' Ruby agent only knows {DEFAULT_PATHS[name]}"


def _findings(settings: Config) -> Iterator[Finding]:
    if not settings.api_token:
        remedy = "Set SWITCHYARD_DIGITALOCEAN_TOKEN (or …_FILE)."
        yield Finding(level="error", text="No DigitalOcean token is set.", remedy=remedy)
        return
    cloud = Cloud(settings)
    try:
        limit, sizes = cloud.droplet_limit(), cloud.sizes()
    except BackendError as error:
        remedy = "Check SWITCHYARD_DIGITALOCEAN_TOKEN and SWITCHYARD_DIGITALOCEAN_ENDPOINT."
        yield Finding(level="error", text=str(error), remedy=remedy)
        return
    yield Finding(level="ok", text=f"DigitalOcean answers; the account may have {limit} droplets.")
    if limit < settings.limit:
        remedy = "Lower SWITCHYARD_POOL_LIMIT or ask DigitalOcean for more."
        text = f"The pool may grow to {settings.limit} droplets, the account only to {limit}."
        yield Finding(level="warning", text=text, remedy=remedy)
    if settings.size not in sizes:
        remedy = f"Set SWITCHYARD_DROPLET_SIZE to one of {', '.join(sorted(sizes))}."
        yield Finding(level="error", text=f"There is no size {settings.size}.", remedy=remedy)
    if PoolRequest.draining_since():
        yield Finding(
            level="warning", text="The pool is being drained.", remedy="Nothing if meant."
        )
