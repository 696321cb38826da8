"""Deciding a suite run's backend from what is stored about it, also for those without one."""

from django.db.models import OuterRef, Subquery

from dispatch import backends, routing, wake
from dispatch.backends import TaskSpec
from dispatch.models import Assignment, SuiteRun, Task
from dispatch.outcomes import Category
from dispatch.routing import Decision

BATCH = 200


def spec_of(
    suite_run: SuiteRun, command: str | None, test_files: tuple[str, ...] | None
) -> TaskSpec:
    """What a backend is asked about: the suite run's texts with one Task's own wishes."""
    return TaskSpec(
        account=suite_run.account,
        repository=suite_run.repository,
        commit=suite_run.commit,
        clone_url=suite_run.clone_url,
        project_name=suite_run.project_name,
        paths=suite_run.paths,
        compose_text=suite_run.compose_text,
        dockerfile_text=suite_run.dockerfile_text,
        command=command,
        test_files=test_files,
    )


def spec_of_task(task: Task) -> TaskSpec:
    files = None if task.test_files is None else tuple(task.test_files)
    return spec_of(task.suite_run, task.command, files)


def decide_for(suite_run: SuiteRun, spec: TaskSpec) -> Decision:
    """The decision for a suite run whose first Task has this spec, under the split in force."""
    split = routing.current_split()
    return routing.decide(split, suite_run.suite_run_id, routing.refusals(spec))


def adopt(suite_run: SuiteRun, decision: Decision) -> None:
    """Write a decision into the suite run's columns (the caller saves them)."""
    for name in DECISION_COLUMNS:
        setattr(suite_run, name, getattr(decision, name))


DECISION_COLUMNS = (
    "backend",
    "rule",
    "routing_key",
    "bucket",
    "weight",
    "salt",
    "configuration_version",
    "reasons",
)


def rehome() -> None:
    """Find a backend for what has none: accepted while none was configured, or left behind by
    one that is configured no more."""
    names = list(backends.entries())
    if not names:
        return
    for suite_run in SuiteRun.objects.filter(backend="")[:BATCH]:
        _settle(suite_run)
    _follow()
    stranded = Assignment.objects.filter(closed_at=None).exclude(backend__in=[*names, ""])
    for assignment in stranded.select_related("task__suite_run")[:BATCH]:
        _move(assignment)


def _first_spec(suite_run: SuiteRun) -> TaskSpec | None:
    task = Task.objects.filter(suite_run=suite_run).order_by("id").first()
    return None if task is None else spec_of_task(task)


def _settle(suite_run: SuiteRun) -> None:
    spec = _first_spec(suite_run)
    if spec is None:
        return
    decision = decide_for(suite_run, spec)
    facts = {name: getattr(decision, name) for name in DECISION_COLUMNS}
    SuiteRun.objects.filter(pk=suite_run.pk, backend="").update(**facts)


def _follow() -> None:
    """Send what waits without a backend where its suite run goes. Looks at every one: a Task may
    be accepted in the moment in which its suite run is decided, and we may end in between."""
    homeless = Assignment.objects.filter(backend="", external_id=None, closed_at=None)
    decided = SuiteRun.objects.filter(tasks=OuterRef("task_id")).values("backend")
    if homeless.exclude(task__suite_run__backend="").update(backend=Subquery(decided)):
        wake.send("queue")


def _move(assignment: Assignment) -> None:
    """A placed one is beyond reach: its attempt ends, and the next one is moved."""
    gone = assignment.backend
    if assignment.external_id is not None:
        sentence = f"The backend {gone} is configured no more."
        assignment.close(Category.UNKNOWN, sentence)
        return
    task = assignment.task
    backend = decide_for(task.suite_run, spec_of_task(task)).backend
    rows = Assignment.objects.filter(pk=assignment.pk, external_id=None, closed_at=None)
    if rows.update(backend=backend, waits_for="", pending="", pending_since=None):
        assignment.note("task.rehomed", left=gone, backend=backend)
        wake.send("queue")
