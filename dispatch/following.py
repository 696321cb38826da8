"""What follows the end of an attempt: another one, where, and in which size class."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from dispatch import backends
from dispatch.outcomes import MAX_PRIMARY_ATTEMPTS, OUTCOMES, Again, Category

if TYPE_CHECKING:
    from dispatch.models import Assignment

OUT_OF_MEMORY = (Category.TEST_OOM, Category.BUILD_OOM)


@dataclass(frozen=True, kw_only=True)
class NextAttempt:
    """`fallback`: it goes to the other backend, which a Task does once."""

    backend: str
    size_class: int
    fallback: bool = False


def after(assignment: "Assignment") -> NextAttempt | None:
    """The attempt that follows this primary one, just closed; None where the Task ends."""
    outcome = OUTCOMES[assignment.category]
    attempts = assignment.task.assignments.filter(purpose=assignment.purpose)
    if outcome.again == Again.NO or attempts.count() >= MAX_PRIMARY_ATTEMPTS:
        return None
    backend, size_class = assignment.backend, assignment.size_class
    if outcome.elsewhere and assignment.claimed_at is None:
        other = other_backend(assignment)
        if other:
            return NextAttempt(backend=other, size_class=size_class, fallback=True)
    if outcome.again == Again.ELSEWHERE:
        return None
    if outcome.again == Again.LARGER:
        if attempts.filter(category__in=OUT_OF_MEMORY).count() > 1:
            return None
        size_class += 1
    return NextAttempt(backend=backend, size_class=size_class)


def other_backend(assignment: "Assignment") -> str | None:
    """The backend that may take the Task over: configured, able to run it, and the Task has not
    fallen back before. None too while this hour's budget of fallbacks is used up."""
    from dispatch.placement import spec_of_task

    names = [name for name in settings.ROLLOUT.values() if name in settings.BACKENDS]
    others = [name for name in names if name != assignment.backend]
    if not others or assignment.task.fell_back_at or not budget_left():
        return None
    able = backends.get(others[0]).eligible(spec_of_task(assignment.task))
    return others[0] if able else None


def budget_left() -> bool:
    """A broken backend must not flood the other one: so many fallbacks in an hour."""
    from dispatch.models import Task

    recent = Task.objects.filter(fell_back_at__gt=timezone.now() - timedelta(hours=1))
    return recent.count() < settings.FALLBACKS_PER_HOUR
