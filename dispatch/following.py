"""What follows the end of an attempt: another one, where, and in which size class."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from dispatch import backends
from dispatch.outcomes import MAX_PRIMARY_ATTEMPTS, OUTCOMES, Again, Category

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from dispatch.models import Assignment, Task

OUT_OF_MEMORY = (Category.TEST_OOM, Category.BUILD_OOM)
FELL_BACK = "task.fell_back"
WINDOW = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class NextAttempt:
    """`fallback`: it goes to the other backend, which a Task does once."""

    backend: str
    size_class: int
    fallback: bool = False


@dataclass(frozen=True, kw_only=True)
class Following:
    """`attempt` is None where the Task ends. `stays`: why the Task does not go to the other
    backend though such an end sends it there; empty where there is nothing to say about it."""

    attempt: NextAttempt | None = None
    stays: str = ""

    def last_words(self, sentence: str) -> str:
        """A Task that only the other backend could have run, and that may not go there (waiting
        would hold it up for as long as an hour, on a backend that never runs it), ends and says
        why."""
        if not self.stays:
            return sentence
        return f"{sentence.rstrip('.')}. It did not go to the other backend: {self.stays}."


@dataclass(frozen=True, kw_only=True)
class Refuge:
    """The backend that may take a Task over, or None and why not."""

    backend: str | None = None
    why_not: str = ""


def after(assignment: "Assignment", category: str) -> Following:
    """What follows when this primary attempt ends so."""
    outcome = OUTCOMES[category]
    attempts = assignment.task.assignments.filter(purpose=assignment.purpose)
    if outcome.again == Again.NO or attempts.count() >= MAX_PRIMARY_ATTEMPTS:
        return Following()
    refuge = Refuge()
    # Asked of the row: an agent may have claimed it since this object was read.
    if outcome.elsewhere and attempts.filter(pk=assignment.pk, claimed_at=None).exists():
        refuge = refuge_of(assignment)
    if refuge.backend:
        return Following(attempt=_at(refuge.backend, assignment.size_class, fallback=True))
    return Following(attempt=_again_here(assignment, category), stays=refuge.why_not)


def _again_here(assignment: "Assignment", category: str) -> NextAttempt | None:
    again, size_class = OUTCOMES[category].again, assignment.size_class
    if again == Again.ELSEWHERE:
        return None
    if again == Again.LARGER:
        ended = assignment.task.assignments.filter(purpose=assignment.purpose)
        if ended.filter(category__in=OUT_OF_MEMORY).count() > 1:
            return None
        size_class += 1
    return _at(assignment.backend, size_class)


def _at(backend: str, size_class: int, *, fallback: bool = False) -> NextAttempt:
    return NextAttempt(backend=backend, size_class=size_class, fallback=fallback)


def refuge_of(assignment: "Assignment") -> Refuge:
    """The other backend of the Rollout: configured, able to run the Task, which has not fallen
    back before, and only while this hour's budget of fallbacks lasts."""
    other = other_backend(assignment.backend)
    if other is None or assignment.task.fell_back_at:
        return Refuge()
    reasons = _refusals(other, assignment)
    if reasons:
        return Refuge(why_not=f"{other} cannot run it: {'; '.join(reasons)}")
    if budget_left() <= 0:
        return Refuge(why_not=_used_up())
    return Refuge(backend=other)


def other_backend(backend: str) -> str | None:
    names = [name for name in settings.ROLLOUT.values() if name in settings.BACKENDS]
    return next((name for name in names if name != backend), None)


def _refusals(backend: str, assignment: "Assignment") -> tuple[str, ...]:
    from dispatch.placement import spec_of_task

    return backends.get(backend).eligible(spec_of_task(assignment.task)).reasons


def _used_up() -> str:
    return (
        f"the budget of {settings.FALLBACKS_PER_HOUR} fallbacks an hour "
        "(SWITCHYARD_FALLBACKS_PER_HOUR) is used up; there is some again within the hour"
    )


def budget_left() -> int:
    """A broken backend must not flood the other one: so many fallbacks are left in this hour.

    It is counted from rows, and nobody waits for anybody: transactions that end an attempt at
    the same moment may see the same last one. On PostgreSQL it is so overspent by at most one
    less than there are such transactions under way: those of the threads that start, the
    reconciling and the falling back of each backend. (On SQLite writers come one by one.)
    """
    return settings.FALLBACKS_PER_HOUR - _recent().count()


def _recent() -> "QuerySet[Task]":
    from dispatch.models import Task

    return Task.objects.filter(fell_back_at__gt=timezone.now() - WINDOW)


def fallbacks_last_hour() -> Counter[tuple[str, str, str]]:
    """How often in the last hour, by (from, to, category)."""
    from dispatch.models import TaskEvent

    details = TaskEvent.objects.filter(kind=FELL_BACK, task__in=_recent())
    found = details.values_list("detail", flat=True)
    return Counter((one["from"], one["to"], one["category"]) for one in found)
