"""Prometheus metrics, read from the database when they are asked for.

All are gauges: what goes on now, or what happened in the last hour. A counter over all that ever
ended would have to read the whole history each time; these cost the same with 1,000,000 finished
Tasks as with none.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

from controlplane import figures
from dispatch import backends, following, routing
from dispatch.models import Assignment

WINDOW = timedelta(hours=1)

logger = logging.getLogger(__name__)


class Source:
    """A collector that does not hide the others when it fails."""

    def __init__(self, name: str, read: Callable[[], Iterable[Metric]]) -> None:
        self.name = name
        self._read = read

    def collect(self) -> Iterator[Metric]:
        failed = GaugeMetricFamily(
            f"switchyard_{self.name}_metrics_failed",
            f"1 when the metrics of {self.name} could not be read; the log says why.",
            value=0,
        )
        try:
            yield from list(self._read())
        except Exception:
            logger.exception("Metrics of %s could not be read", self.name)
            failed.samples[0] = failed.samples[0]._replace(value=1)
        yield failed


def family(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"switchyard_{name}", text, labels=labels)


def live() -> Iterator[Metric]:
    tasks = family("tasks", "Tasks that have not ended, by backend and state.", "backend", "state")
    oldest = family(
        "queue_oldest_seconds",
        "How long the oldest queued attempt waits; 0 where none does.",
        "backend",
    )
    found = figures.live()
    for name in [*figures.known_backends(), *(key for key in found if key == "")]:
        counts = found.get(name, figures.Live())
        for state in ("queued", "assigned", "running"):
            tasks.add_metric([name, state], getattr(counts, state))
        waiting = counts.oldest_queued_at
        oldest.add_metric([name], _age(waiting) if waiting else 0)
    yield from (tasks, oldest)


def assignments() -> Iterator[Metric]:
    held = family(
        "assignments_open",
        "Attempts that their backend has not let go of: placed, or closed and being stopped.",
        "backend",
    )
    ended = family(
        "assignments_ended_last_hour",
        "Attempts that ended in the last 60 minutes, by category. A gauge over a bounded time, "
        "so that its cost does not grow with the history.",
        "backend",
        "category",
    )
    for name in figures.known_backends():
        held.add_metric([name], Assignment.held(name).count())
        rows = Assignment.objects.filter(backend=name, closed_at__gte=timezone.now() - WINDOW)
        counts = rows.values("category").annotate(n=Count("id")).order_by()
        for row in counts:
            ended.add_metric([name, row["category"]], row["n"])
    yield from (held, ended)


def fallbacks() -> Iterator[Metric]:
    moved = family(
        "fallbacks_last_hour",
        "Tasks that went to the other backend in the last 60 minutes, by the end of the attempt.",
        "from",
        "to",
        "category",
    )
    for labels, count in following.fallbacks_last_hour().items():
        moved.add_metric(labels, count)
    left = family("fallback_budget_left", "How many more may do so within the hour.")
    left.add_metric([], max(0, following.budget_left()))
    yield from (moved, left)


def health() -> Iterator[Metric]:
    unavailable = family(
        "backend_unavailable_seconds",
        "For how long the backend has not answered; 0 while it does.",
        "backend",
    )
    statuses = figures.statuses()
    for name in backends.entries():
        status = statuses.get(name)
        since = status.unavailable_since if status else None
        unavailable.add_metric([name], _age(since) if since else 0)
    yield unavailable
    yield from _loops()
    yield from _leader()


def _loops() -> Iterator[Metric]:
    age = family("loop_age_seconds", "Since the loop last came round (noted every 5 s).", "loop")
    every = family("loop_every_seconds", "How often the loop should come round.", "loop")
    troubled = family("loop_troubled", "1 for a loop that is late or whose step failed.", "loop")
    for loop in figures.loops():
        if loop.age is not None:
            age.add_metric([loop.name], loop.age)
        every.add_metric([loop.name], loop.every)
        troubled.add_metric([loop.name], int(loop.state != "ok"))
    yield from (age, every, troubled)


def _leader() -> Iterator[Metric]:
    leads = family("controller_leads", "1 for the controller that holds the lease.", "holder")
    left = family("controller_lease_seconds", "Until the lease lapses; 0 when nobody holds it.")
    leader = figures.leader()
    if leader:
        leads.add_metric([leader.holder], 1)
    left.add_metric([], -_age(leader.expires_at) if leader else 0)
    yield from (leads, left)


def webhooks() -> Iterator[Metric]:
    backlog = figures.webhooks()
    oldest = _age(backlog.oldest_due_at) if backlog.oldest_due_at else 0.0
    for name, text, value in (
        ("webhooks_waiting", "Webhooks still to be delivered.", backlog.waiting),
        ("webhooks_oldest_seconds", "Since the oldest of those was written.", oldest),
        ("webhooks_failed", "Webhooks given up, until somebody sends them again.", backlog.failed),
    ):
        one = family(name, text)
        one.add_metric([], value)
        yield one


def rollout() -> Iterator[Metric]:
    weight = family("rollout_weight_ratio", "Share of new suite runs meant for it.", "backend")
    split = routing.current_split()
    share = split.weight / routing.BUCKETS
    weight.add_metric([split.new], share)
    weight.add_metric([split.old], 1 - share)
    yield weight


def _age(moment: datetime) -> float:
    return (timezone.now() - moment).total_seconds()


def registry() -> CollectorRegistry:
    """The core's collectors, and one for each backend's own."""
    made = CollectorRegistry()
    for read in (live, assignments, fallbacks, health, webhooks, rollout):
        made.register(Source(read.__name__, read))
    for name, entry in backends.entries().items():
        made.register(Source(f"backend_{name}", entry.metrics))
    return made
