"""Attempts that ended at exact times."""

from datetime import UTC, datetime, timedelta

from dispatch.ids import new_id
from dispatch.models import Assignment, Task
from dispatch.outcomes import Category
from tests.factories import make_assignment, make_suite_run

START = datetime(2026, 8, 7, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def ended(
    category: str = Category.PASSED,
    *,
    backend: str = "droplets",
    accepted: datetime = START,
    claimed: float | None = 5,
    closed: float = 65,
) -> Assignment:
    """A Task's attempt that closed so many seconds after it was accepted, at exact times."""
    attempt = make_assignment(make_suite_run(backend=backend))
    attempt.place(str(new_id()))
    if claimed is not None:
        attempt.claim("boot")
    attempt.close(category)
    set_times(attempt, accepted, claimed, closed)
    return attempt


def set_times(
    attempt: Assignment, accepted: datetime, claimed: float | None, closed: float
) -> None:
    Assignment.objects.filter(pk=attempt.pk).update(
        created_at=accepted,
        claimed_at=None if claimed is None else accepted + seconds(claimed),
        closed_at=accepted + seconds(closed),
    )
    Task.objects.filter(pk=attempt.task_id, finished_at__isnull=False).update(
        created_at=accepted, finished_at=accepted + seconds(closed)
    )
