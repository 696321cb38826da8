"""Notices agents that have fallen silent, and gives their Workers up.

What counts as silence differs: an idle agent polls; one that was handed an Assignment must
acknowledge it and then report something; after that the Ruby agent may be quiet for as long as
its suite runs, while our own goes on polling.
"""

from datetime import datetime, timedelta

import requests
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from dispatch.models import Assignment
from dispatch.outcomes import Category
from droplets.config import config
from droplets.models import Worker, WorkerState

ANSWER_SECONDS = 3.0


def agents_reach_us(api_host: str) -> bool:
    """Whether a web process answers where the agents call."""
    try:
        return requests.get(f"{api_host}/livez", timeout=ANSWER_SECONDS).ok
    except requests.RequestException:
        return False


class Watch:
    """The watch of one controller process.

    Silence is counted only while agents can be heard: since we started, or since web or the
    database came back. Whether they can is known from somebody who was heard lately, or else
    from calling where they call.
    """

    def __init__(self) -> None:
        self._hearing_since: datetime | None = None

    def step(self) -> None:
        now = timezone.now()
        silence = timedelta(seconds=config().silence)
        self._listen(now, silence)
        if self._hearing_since is None or self._hearing_since >= now - silence:
            return
        for worker in _silent(now - silence):
            worker.lose(_reason(worker), category=Category.AGENT_LOST)

    def _listen(self, now: datetime, silence: timedelta) -> None:
        """Note since when agents can be heard without a break."""
        standing = Worker.standing()
        heard = standing.filter(last_seen_at__gt=now - silence / 2).exists()
        if not heard and not (standing.exists() and agents_reach_us(config().api_host)):
            self._hearing_since = None
        elif self._hearing_since is None:
            self._hearing_since = now


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
