"""What agents tell about themselves and about the progress of a Task. Idempotent: the same event
again changes nothing, and one that nobody knows is stored."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from dispatch import wake
from dispatch.evidence import AGENT_EVENT
from dispatch.models import Assignment, TaskEvent
from dispatch.outcomes import Category
from droplets.judging import judge
from droplets.models import Worker, WorkerState
from droplets.protocol.answers import answered, plain
from droplets.protocol.callers import caller, current_assignment
from droplets.protocol.readiness import become_ready
from droplets.protocol.reports import (
    claim,
    event_type,
    fields,
    must_count,
    redactor_of,
    reported,
)

PHASES = {
    "repository_cloned": "cloned",
    "pre_script_started": "built",
    "pre_script_finished": "services_ready",
    "test_suite_started": "tests_started",
}
MOST_EVENTS = 200
LONGEST_DETAIL = 2000


@answered("POST")
def worker_events(request: HttpRequest, worker_id: str) -> HttpResponse:
    worker = caller(request, worker_id)
    kind = event_type(fields(request))
    if worker.events.count() < MOST_EVENTS:
        worker.note(AGENT_EVENT + kind)
    if kind == "ready_signal_received":
        become_ready(worker.pk)
    elif kind == "assignment_acknowledged":
        _acknowledge(worker)
    elif kind == "error":
        _give_up(worker)
    return plain("", 201)


def _acknowledge(worker: Worker) -> None:
    """The claim. Told 409 where it comes too late, an agent leaves before it clones."""
    assignment = current_assignment(worker)
    if assignment is None:
        return
    must_count(assignment, "assignment_acknowledged", b"")
    if assignment.live and assignment.claimed_at is None:
        claim(assignment, worker)


def _give_up(worker: Worker) -> None:
    """An agent that says `error` before it has acknowledged anything is about to exit."""
    assignment = current_assignment(worker)
    working = assignment is not None and assignment.claimed_at is not None
    if worker.state in (WorkerState.IDLE, WorkerState.BUSY) and not working:
        worker.lose("its agent gave up", category=Category.AGENT_LOST)


@answered("POST")
def task_events(request: HttpRequest, task_id: str) -> HttpResponse:
    worker, assignment = reported(request, task_id)
    found = fields(request)
    kind = event_type(found)
    must_count(assignment, f"event {kind}", request.body)
    detail = found.get("detail")
    detail = detail if isinstance(detail, str) else ""
    if kind in PHASES:
        assignment.reach(PHASES[kind])
    detail = redactor_of(request, assignment).clean_text(detail).replace("\0", "")
    _note_once(assignment, AGENT_EVENT + kind, detail[:LONGEST_DETAIL])
    return plain("")


def _note_once(assignment: Assignment, kind: str, detail: str) -> None:
    events = TaskEvent.objects.filter(assignment=assignment)
    if events.filter(kind=kind).exists() or events.count() >= MOST_EVENTS:
        return
    assignment.note(kind, **({"detail": detail} if detail else {}))


@answered("POST")
def finished_events(request: HttpRequest, task_id: str) -> HttpResponse:
    """The agent has nothing more to report but logs. Comes once more after a lost answer."""
    worker, assignment = reported(request, task_id)
    must_count(assignment, "finish", request.body)
    rows = Assignment.objects.filter(pk=assignment.pk, finished_at=None)
    if rows.update(finished_at=timezone.now()):
        assignment.note(AGENT_EVENT + "finished")
    if assignment.live:
        judge(assignment)
    return plain("")


@answered("DELETE")
def runner(request: HttpRequest, task_id: str) -> HttpResponse:
    """The agent exits, so its Worker need not be kept for its logs any longer. Asks for nothing,
    so that it is right at any time."""
    worker, assignment = reported(request, task_id)
    if not worker.events.filter(kind="runner_deleted").exists():
        worker.note("runner_deleted")
        wake.send("closed")
    return plain("")
