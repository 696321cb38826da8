"""Notices agents that have fallen silent, and gives their Workers up.

What counts as silence differs: an idle agent polls; one that was handed an Assignment must
acknowledge it and then report something; after that the Ruby agent may be quiet for as long as
its suite runs, while our own goes on polling.
"""

from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from dispatch.hearing import Hearing, agents_reach_us
from dispatch.models import Assignment
from dispatch.outcomes import Category
from droplets.config import config
from droplets.models import Worker, WorkerState


class Watch:
    """The watch of one controller process. Whether agents can be heard is known from somebody who
    was heard lately, or else from calling where they call."""

    def __init__(self) -> None:
        self._hearing = Hearing()

    def step(self) -> None:
        now = timezone.now()
        silence = timedelta(seconds=config().silence)
        self._hearing.note(now, _can_be_heard(now - silence / 2))
        if not self._hearing.lasts(now, silence):
            return
        for worker in _silent(now - silence):
            unheard = Q(last_seen_at=worker.last_seen_at)
            worker.lose(_reason(worker), unheard, category=Category.AGENT_LOST)


def _can_be_heard(lately: datetime) -> bool:
    standing = Worker.standing()
    if standing.filter(last_seen_at__gt=lately).exists():
        return True
    return standing.exists() and agents_reach_us(config().api_host)


def _silent(before: datetime) -> "QuerySet[Worker]":
    """Idle and busy ones not heard since then, apart from those that may be quiet."""
    quiet = Q(last_seen_at__lt=before) | Q(last_seen_at=None, ready_at__lt=before)
    waiting = Q(state=WorkerState.IDLE)
    working = Q(state=WorkerState.BUSY, assignment_id__in=_speaking().values("id"))
    return Worker.standing().filter(quiet, waiting | working)


def _speaking() -> "QuerySet[Assignment]":
    """The live ones whose agent should make itself heard. The first call after the claim moves
    `heard_at`: while it is the claim's own, none came."""
    live = Assignment.objects.filter(closed_at=None)
    if config().agent == "switchyard":
        return live
    return live.filter(Q(claimed_at=None) | Q(heard_at=F("claimed_at")))


def _reason(worker: Worker) -> str:
    if worker.state == WorkerState.IDLE and worker.last_seen_at == worker.ready_at:
        return "ready, but it never polled"
    return f"not heard for {config().silence:g} s"


_watch = Watch()


def watch() -> None:
    """The loop's step."""
    _watch.step()
