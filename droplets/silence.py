"""Notices agents that have fallen silent, and gives their Workers up.

What counts as silence differs: an idle agent polls; one that was handed an Assignment must
acknowledge it and then report something; after that the Ruby agent may be quiet for as long as
its suite runs, while our own goes on polling.
"""

from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from dispatch.models import Assignment
from dispatch.outcomes import Category
from droplets.config import config
from droplets.models import Worker, WorkerState

DEAF_FACTOR = 3


class Watch:
    """The watch of one controller process.

    When nobody at all is heard, it may be us: no web process was up, or the database was away.
    Silence is counted only from the moment somebody is heard again, or until it has lasted
    `DEAF_FACTOR` times as long.
    """

    def __init__(self) -> None:
        self._hearing_since: datetime | None = None

    def step(self) -> None:
        now = timezone.now()
        silence = timedelta(seconds=config().silence)
        for worker in _silent(now - silence):
            if self._surely(worker, now, silence):
                worker.lose(_reason(worker), category=Category.AGENT_LOST)
        self._listen(now, silence)

    def _listen(self, now: datetime, silence: timedelta) -> None:
        """Note since when somebody has been heard without a long pause."""
        heard = Worker.standing().filter(last_seen_at__gt=now - silence / 2).exists()
        if not heard:
            self._hearing_since = None
        elif self._hearing_since is None:
            self._hearing_since = now

    def _surely(self, worker: Worker, now: datetime, silence: timedelta) -> bool:
        if _last_sign(worker) < now - DEAF_FACTOR * silence:
            return True
        return self._hearing_since is not None and self._hearing_since < now - silence


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


def _last_sign(worker: Worker) -> datetime:
    sign = worker.last_seen_at or worker.ready_at
    assert sign is not None, "only those with one are silent"
    return sign


def _reason(worker: Worker) -> str:
    if worker.state == WorkerState.IDLE and worker.last_seen_at == worker.ready_at:
        return "ready, but it never polled"
    return f"not heard for {config().silence:g} s"


_watch = Watch()


def watch() -> None:
    """The loop's step."""
    _watch.step()
