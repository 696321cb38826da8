"""What is going on now, from rows: for the overview, the metrics and the preflight.

Cheap at any number of finished Tasks: what is live is read through indexes that hold live rows
only, and what ended is counted over a bounded time.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.conf import settings
from django.db.models import Count, Min, Q
from django.utils import timezone

from dispatch import backends
from dispatch.controller import all_loops, runner, upkeep
from dispatch.models import Assignment, BackendStatus, Lease, LoopBeat, Webhook
from dispatch.models.assignment import Purpose

FUNCTIONS = "functions"
PATIENCE_SECONDS = 20.0
PATIENCE_ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Live:
    """The live Assignments of one backend; `oldest_queued_at` is None where none waits."""

    queued: int = 0
    assigned: int = 0
    running: int = 0
    oldest_queued_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class LoopAge:
    """How a loop does. `age` in seconds since it last came round, None where it never did."""

    name: str
    every: float
    age: float | None
    seconds: float = 0.0
    error: str = ""

    @property
    def late(self) -> bool:
        return self.age is None or self.age > PATIENCE_ROUNDS * self.every + PATIENCE_SECONDS

    @property
    def state(self) -> str:
        if self.error:
            return "error"
        return "late" if self.late else "ok"


@dataclass(frozen=True, kw_only=True)
class WebhookBacklog:
    waiting: int
    oldest_due_at: datetime | None
    failed: int


def known_backends() -> list[str]:
    """The configured backends, and those of the Rollout, whose history may remain."""
    return list(dict.fromkeys([*settings.BACKENDS, *settings.ROLLOUT.values()]))


def title_of(backend: str) -> str:
    entry = backends.entries().get(backend)
    return entry.title if entry else backend.capitalize()


def live() -> dict[str, Live]:
    """By backend; the key "" holds what waits for any backend to be configured."""
    placed, claimed = Q(external_id__isnull=False), Q(claimed_at__isnull=False)
    rows = Assignment.objects.filter(closed_at=None, purpose=Purpose.PRIMARY).values("backend")
    counted = rows.annotate(
        waiting=Count("id", ~placed),
        placed=Count("id", placed & ~claimed),
        claimed=Count("id", placed & claimed),
        oldest=Min("created_at", filter=~placed),
    )
    return {
        row["backend"]: Live(
            queued=row["waiting"],
            assigned=row["placed"],
            running=row["claimed"],
            oldest_queued_at=row["oldest"],
        )
        for row in counted.order_by()
    }


def statuses() -> dict[str, BackendStatus]:
    return {status.name: status for status in BackendStatus.objects.all()}


def leader() -> Lease | None:
    """The lease of the controller that leads now."""
    return Lease.objects.filter(name=runner.LEASE, expires_at__gt=timezone.now()).first()


def loops() -> list[LoopAge]:
    """Every loop that should run here, and whatever else gave a sign of life."""
    now = timezone.now()
    beats = {beat.name: beat for beat in LoopBeat.objects.all()}
    every = expected_loops() | {name: beat.every for name, beat in beats.items() if beat.every}
    return [_age(name, every[name], beats.get(name), now) for name in sorted(every)]


def _age(name: str, every: float, beat: LoopBeat | None, now: datetime) -> LoopAge:
    if beat is None:
        return LoopAge(name=name, every=every, age=None)
    age = max(0.0, (now - beat.at).total_seconds())
    return LoopAge(name=name, every=every, age=age, seconds=beat.seconds, error=beat.error)


@cache
def expected_loops() -> dict[str, float]:
    """The controller's loops, and the background functions, which answer a probe."""
    loops = {loop.name: loop.every for loop in all_loops()}
    return {**loops, FUNCTIONS: upkeep.PROBE_EVERY}


def webhooks() -> WebhookBacklog:
    due = Webhook.objects.filter(next_attempt_at__isnull=False)
    found = due.aggregate(waiting=Count("id"), oldest=Min("created_at"))
    return WebhookBacklog(
        waiting=found["waiting"],
        oldest_due_at=found["oldest"],
        failed=Webhook.objects.filter(failed_at__isnull=False).count(),
    )
