"""Notices agents in pods that have fallen silent, and gives their attempts up.

The agent of a pod says something every few seconds from its claim on, whatever its Task does; and
it claims as soon as it runs. One that still runs, on a node that is cut off from the cluster,
reports what nobody takes any more.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet
from django.utils import timezone

from dispatch.backends import Sighting
from dispatch.controller.reconciling import end
from dispatch.hearing import Hearing, agents_reach_us
from dispatch.models import Assignment
from dispatch.outcomes import Category
from kube.config import config
from kube.labels import job_of
from kube.manifest.request import job_name
from kube.names import AGENT, BACKEND
from kube.pod import Pod, parse_time

if TYPE_CHECKING:
    from kube.worker import KubernetesWorker


# For what the cluster shows of them, in one step; the rest comes with the next one. One may take as
# long as a call that gets no answer.
STEP_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Silent:
    """One to be given up, and why; `still` holds as long as nothing was heard of it."""

    assignment: Assignment
    reason: str
    still: Q


class Watch:
    """The watch of one controller process. Whether agents can be heard is known from somebody who
    was heard lately, or else from calling where they call."""

    def __init__(self) -> None:
        self._hearing = Hearing()

    def step(self, worker: "KubernetesWorker") -> None:
        now, silence = timezone.now(), timedelta(seconds=config().silence)
        self._hearing.note(now, _can_be_heard(now - silence / 2))
        if not self._hearing.lasts(now, silence):
            return
        ends_at = time.monotonic() + STEP_SECONDS
        for silent in _silent(worker, now - silence):
            _give_up(worker, silent)
            if time.monotonic() > ends_at:
                break


def _silent(worker: "KubernetesWorker", before: datetime) -> Iterator[Silent]:
    """Not heard since then, those who are silent for the longest time first."""
    seconds = f"for {config().silence:g} s"
    for row in _placed().filter(heard_at__lt=before).order_by("heard_at"):
        still = Q(heard_at=row.heard_at)
        yield Silent(assignment=row, reason=f"The agent was not heard {seconds}", still=still)
    for row in _unclaimed(worker, before):
        still = Q(claimed_at=None)
        yield Silent(assignment=row, reason=f"The agent did not claim {seconds}", still=still)


def _placed() -> "QuerySet[Assignment]":
    """The live ones that have a Job. Who has not claimed was not heard at all."""
    rows = Assignment.objects.filter(backend=BACKEND, closed_at=None, external_id__isnull=False)
    return rows.select_related("task")


def _can_be_heard(lately: datetime) -> bool:
    placed = _placed()
    if placed.filter(heard_at__gt=lately).exists():
        return True
    return placed.exists() and agents_reach_us(config().manifest.control_plane_url)


def _unclaimed(worker: "KubernetesWorker", before: datetime) -> Iterator[Assignment]:
    """Those whose agent runs since before then, and has not claimed."""
    rows = _placed().filter(claimed_at=None, placed_at__lt=before)
    waiting = {job_name(row.task_id, row.number): row for row in rows}
    for raw in worker.pods.all() if waiting else []:
        row = waiting.get(job_of(raw))
        agent = Pod(raw, [], timezone.now()).find(AGENT) if row else None
        since = parse_time((agent.running or {}).get("startedAt")) if agent else None
        if row and since and since < before:
            yield row


def _give_up(worker: "KubernetesWorker", silent: Silent) -> None:
    """Looking at it takes time: who is heard meanwhile goes on."""
    cut_off, seen = worker.examine(silent.assignment)
    category = Category.NODE_LOST if cut_off else Category.AGENT_LOST
    too = "; its node does not answer the cluster either." if cut_off else "."
    facts = Sighting(
        assignment_id=silent.assignment.pk, holds=True, detail=silent.reason + too, seen=seen
    )
    end(silent.assignment, category, facts, still=silent.still)


_watch = Watch()


def watch(worker: "KubernetesWorker") -> None:
    """The loop's step."""
    _watch.step(worker)
