from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from dispatch import wake
from dispatch.ids import new_id
from dispatch.models import DropletLife


class WorkerState(models.TextChoices):
    PROVISIONING = "provisioning"
    IDLE = "idle"
    BUSY = "busy"
    RETIRED = "retired"
    LOST = "lost"


# From each state, the states that a Worker may move to. busy -> idle is for a withdrawn,
# undelivered Assignment only: a Worker runs one Assignment in its life.
WORKER_MOVES: dict[str, frozenset[str]] = {
    WorkerState.PROVISIONING: frozenset(
        {WorkerState.IDLE, WorkerState.RETIRED, WorkerState.LOST},
    ),
    WorkerState.IDLE: frozenset({WorkerState.BUSY, WorkerState.RETIRED, WorkerState.LOST}),
    WorkerState.BUSY: frozenset({WorkerState.IDLE, WorkerState.RETIRED, WorkerState.LOST}),
}


class Worker(models.Model):
    """One droplet of the pool and the agent on it. `state` moves only through `move`.

    `assignment_id` is the one Assignment that it holds or held; no foreign key, so that this
    table can be left behind. A Worker that is retired or lost is gone once `destroyed_at` says
    that a live read found no droplet.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=255, unique=True)
    state = models.CharField(max_length=12, choices=WorkerState, default=WorkerState.PROVISIONING)
    provider_id = models.CharField(max_length=40, blank=True)
    region = models.CharField(max_length=20, blank=True)
    size = models.CharField(max_length=40, blank=True)
    ip_address = models.GenericIPAddressField(null=True)
    imported = models.BooleanField(default=False)
    token_digest = models.CharField(max_length=64, blank=True)
    assignment_id = models.UUIDField(null=True, unique=True)

    created_at = models.DateTimeField(default=timezone.now)
    create_tried_at = models.DateTimeField(null=True)
    active_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    assigned_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    drain_requested_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    destroy_tried_at = models.DateTimeField(null=True)
    destroyed_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["ready_at", "id"],
                condition=Q(state="idle", drain_requested_at=None),
                name="workers_idle",
            ),
            models.Index(
                fields=["state"], condition=Q(destroyed_at=None), name="workers_not_destroyed"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def standing(cls) -> "models.QuerySet[Worker]":
        """Those whose droplet exists or may exist."""
        return cls.objects.filter(destroyed_at=None)

    @property
    def draining(self) -> bool:
        return self.drain_requested_at is not None

    @staticmethod
    def move(
        worker_id: UUID,
        to: WorkerState,
        *conditions: Q,
        changes: dict[str, Any] | None = None,
        **facts: Any,
    ) -> bool:
        """Move one Worker to a state it may reach, with its event row. The conditional UPDATE's
        row count decides who won; `conditions` narrow it, `changes` are set along with it."""
        sources = [state for state, targets in WORKER_MOVES.items() if to in targets]
        columns: dict[str, Any] = {"state": to, **(changes or {})}
        if to in (WorkerState.RETIRED, WorkerState.LOST):
            columns |= {"ended_at": timezone.now(), "end_reason": facts.get("reason", "")}
        with transaction.atomic():
            rows = Worker.objects.filter(*conditions, pk=worker_id, state__in=sources)
            if not rows.update(**columns):
                return False
            WorkerEvent.objects.create(worker_id=worker_id, kind=f"worker.{to}", detail=facts)
        wake.send("workers")
        return True

    def note(self, kind: str, **facts: Any) -> None:
        WorkerEvent.objects.create(worker=self, kind=kind, detail=facts)

    def retire(self, reason: str) -> bool:
        """Take it out for good; the pool destroys its droplet. Never one that runs a Task:
        callers retire a busy Worker only after its Assignment is closed."""
        return Worker.move(self.pk, WorkerState.RETIRED, reason=reason)

    def lose(self, reason: str) -> bool:
        return Worker.move(self.pk, WorkerState.LOST, reason=reason)

    def life(self) -> "models.QuerySet[DropletLife]":
        """Its line in the core's ledger, for updating."""
        return DropletLife.objects.filter(worker_id=self.pk)


class WorkerEvent(models.Model):
    """One line of a Worker's story, append-only; what its agent reports is in here too."""

    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=100)
    detail = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.kind


class PoolRequest(models.Model):
    """What operators asked of the whole pool; the newest row is in force. Append-only.

    `drain` = take nothing new, let everything finish, keep no idle Workers.
    """

    drain = models.BooleanField()
    actor = models.CharField(max_length=150)
    reason = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    @classmethod
    def draining_since(cls) -> Any:
        """When the drain that is in force was asked for; None while there is none."""
        newest = cls.objects.order_by("-id").first()
        return newest.at if newest and newest.drain else None
