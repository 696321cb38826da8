"""What there is to tell of a run: how its attempts ended, and of one that went wrong the Tasks
that did not end as they should."""

from collections import Counter
from collections.abc import Iterator

from django.conf import settings

from dispatch.models import Assignment, Task
from dispatch.outcomes import TaskState
from sandbox.demo.rails import Rails

MOST = 12


def sum_up() -> Iterator[str]:
    """How Tasks and their attempts ended, and of each Task that ended errored why."""
    yield f"ended  {dict(Counter(Task.objects.values_list('category', flat=True)))}"
    for backend in sorted(settings.ROLLOUT.values()):
        attempts = Assignment.objects.filter(backend=backend).values_list("category", flat=True)
        yield f"{backend}: {dict(Counter(attempts))}"
    yield f"to the other backend: {Task.objects.exclude(fell_back_at=None).count()}"
    for task in Task.objects.filter(state=TaskState.ERRORED):
        ends = task.assignments.order_by("number").values_list("backend", "category", "sentence")
        yield f"errored {task.pk}: {'; '.join(f'{a} {b}: {c[:150]}' for a, b, c in ends)}"


def tell(rails: Rails) -> Iterator[str]:
    """Lines about each, the oldest first; of many only some."""
    wrong = [
        task
        for task in Task.objects.order_by("created_at")
        if task.category != rails.expected.get(str(task.pk))
    ]
    open_ones = Assignment.objects.filter(released_at=None).values_list("task_id", flat=True)
    stuck = Task.objects.filter(pk__in=open_ones).exclude(pk__in=[task.pk for task in wrong])
    for task in [*wrong, *stuck][:MOST]:
        yield f"Task {task.pk} must be {rails.expected.get(str(task.pk))}, is {task.state}"
        yield from _attempts(task)
        yield from _events(task)


def _attempts(task: Task) -> Iterator[str]:
    for one in task.assignments.order_by("number"):
        about = f"{one.backend} {one.external_id} {one.category or 'live'}: {one.sentence}"
        pending = f" (waits: {one.pending})" if one.pending else ""
        released = "" if one.released_at else " (not released)"
        yield f"  {one.number}. {one.pk} {about}{pending}{released}"


def _events(task: Task) -> Iterator[str]:
    for event in task.events.order_by("seq"):
        yield f"    {event.at:%H:%M:%S.%f} {event.seq} {event.kind} {event.detail}"
