"""Notices agents in pods that have fallen silent, and gives their attempts up.

The agent of a pod says something every few seconds from its claim on, whatever its Task does. One
that still runs, on a node that is cut off from the cluster, reports what nobody takes any more.
"""

from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from dispatch.hearing import Hearing, agents_reach_us
from dispatch.models import Assignment
from dispatch.outcomes import Category
from kube.config import config
from kube.names import BACKEND


class Watch:
    """The watch of one controller process. Whether agents can be heard is known from somebody who
    was heard lately, or else from calling where they call."""

    def __init__(self) -> None:
        self._hearing = Hearing()

    def step(self) -> None:
        now, silence = timezone.now(), timedelta(seconds=config().silence)
        self._hearing.note(now, _can_be_heard(now - silence / 2))
        if not self._hearing.lasts(now, silence):
            return
        for assignment in _speaking().filter(heard_at__lt=now - silence).select_related("task"):
            text = f"The agent was not heard for {config().silence:g} s."
            assignment.close(Category.AGENT_LOST, text)


def _speaking() -> "QuerySet[Assignment]":
    """The live ones whose agent makes itself heard."""
    return Assignment.objects.filter(backend=BACKEND, closed_at=None, claimed_at__isnull=False)


def _can_be_heard(lately: datetime) -> bool:
    speaking = _speaking()
    if speaking.filter(heard_at__gt=lately).exists():
        return True
    return speaking.exists() and agents_reach_us(config().manifest.control_plane_url)


_watch = Watch()


def watch() -> None:
    """The loop's step."""
    _watch.step()
