"""Sends what a backend that is away has kept waiting for too long to the other one.

The rule. An Assignment that has been queued for SWITCHYARD_FALLBACK_AFTER_SECONDS, while its
backend has been unavailable for as long, is closed as `api_unavailable`, and the Task's next
attempt is made on the other backend: once for each Task, and within the hour's budget. So a
backend that has been away for an hour gets the same patience for each new Task, and one that is
merely full (NoCapacity) uses up none: it is not unavailable.

Unavailable is what `BackendStatus` says, and only while we rest after a failed call. A failure
long ago, after which nothing was tried, tells nothing.

Where the Task cannot go (no other backend, not able to run it, fallen back before, three attempts
made, no budget) the Assignment is left as it is: queued, and tried again whenever the backend has
rested. A dead API costs nobody an attempt, and is no reason to end a Task. (A start that was heard
and never answered may have worked: after a Job's time to live that attempt counts as lost.)

This runs while the backend rests and calls no backend. What a start that never answered may have
made is stopped by reconciliation, once the backend is back.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from dispatch import following
from dispatch.backends import Loop
from dispatch.models import Assignment, BackendStatus
from dispatch.models.assignment import Purpose
from dispatch.outcomes import Category

BATCH = 100
EVERY = 1.0


def loop() -> Loop:
    return Loop(name="fall back", step=FallingBack().step, every=EVERY)


class FallingBack:
    """`_staying` holds those that were seen to have nowhere to go, so that a long queue is not
    judged anew every second: what a backend says of a Task never changes, and a Task falls back
    once. A used-up budget does change, and is asked first."""

    def __init__(self) -> None:
        self._staying: set[UUID] = set()

    def step(self) -> None:
        now = timezone.now()
        away = list(_away(now))
        self._staying &= {pk for status in away for pk in _waiting(status.name, now)}
        for status in away:
            for pk in self._candidates(status.name, now):
                if following.budget_left() <= 0:
                    return
                if not self._send(Assignment.by_id(pk), _sentence(status, now)):
                    self._staying.add(pk)

    def _send(self, assignment: Assignment, sentence: str) -> bool:
        """False where it has nowhere to go; a budget that was used up meanwhile does not count."""
        fell_back = assignment.fall_back(Category.API_UNAVAILABLE, sentence)
        return fell_back or following.budget_left() <= 0

    def _candidates(self, backend: str, now: datetime) -> list[UUID]:
        found = [pk for pk in _waiting(backend, now) if pk not in self._staying]
        return found[:BATCH]


def _away(now: datetime) -> Iterator[BackendStatus]:
    """The backends that are resting and have been unavailable for long enough."""
    rows = BackendStatus.objects.filter(unavailable_since__lte=_since(now), retry_at__gt=now)
    for status in rows.filter(name__in=list(settings.BACKENDS)):
        if following.other_backend(status.name):
            yield status


def _waiting(backend: str, now: datetime) -> list[UUID]:
    """In the order of the queue. One that an agent has claimed runs, though the answer to its
    start was lost: the next start finds it."""
    rows = Assignment.queued(backend).filter(claimed_at=None, purpose=Purpose.PRIMARY)
    return list(rows.filter(created_at__lte=_since(now)).values_list("pk", flat=True))


def _since(now: datetime) -> datetime:
    return now - timedelta(seconds=settings.FALLBACK_AFTER_SECONDS)


def _sentence(status: BackendStatus, now: datetime) -> str:
    since = status.unavailable_since or now
    seconds = round((now - since).total_seconds())
    return f"{status.name} has been unavailable for {seconds} s: {status.message}"
