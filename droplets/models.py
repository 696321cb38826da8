from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from dispatch import wake
from dispatch.ids import new_id
from dispatch.models import Assignment, AuditEntry, DropletLife
from dispatch.outcomes import Category


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
            models.Index(
                fields=["-destroyed_at"],
                condition=Q(destroyed_at__isnull=False),
                name="workers_destroyed",
            ),
            models.Index(fields=["provider_id"], name="workers_by_provider_id"),
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
        """Take it out for good; the pool destroys its droplet. Refused (False) while a live
        Assignment is there, by the same statement that does it."""
        return Worker.move(self.pk, WorkerState.RETIRED, ~Q(_LIVE_THERE), reason=reason)

    def take_back(self, assignment_id: UUID) -> bool:
        """Free it of an Assignment that it never saw; it can take another."""
        changes = {"assignment_id": None, "assigned_at": None}
        holds = Q(assignment_id=assignment_id)
        return Worker.move(self.pk, WorkerState.IDLE, holds, changes=changes, reason="withdrawn")

    def live_assignment(self) -> Assignment | None:
        if self.assignment_id is None:
            return None
        return Assignment.objects.filter(pk=self.assignment_id, closed_at=None).first()

    def withdraw(self, reason: str) -> bool:
        """Take its undelivered Assignment back into the queue and free the Worker; False where
        there is none, or the agent was handed it first."""
        assignment = self.live_assignment()
        with transaction.atomic():
            if assignment is None or not assignment.withdraw(reason):
                return False
            return self.take_back(assignment.pk)

    def lose(self, reason: str, *conditions: Q, category: str = Category.DROPLET_LOST) -> bool:
        """Give it up: what it had not been handed goes back into the queue, what it had been
        handed ends under the category, and the pool destroys the droplet. `conditions` are what
        was seen of its row: False where they hold no more."""
        with transaction.atomic():
            if not Worker.move(self.pk, WorkerState.LOST, *conditions, reason=reason):
                return False
            # It may have been given one since this object was read.
            self.refresh_from_db(fields=["assignment_id"])
            assignment = self.live_assignment()
            if assignment and assignment.withdraw(reason):
                Worker.objects.filter(pk=self.pk).update(assignment_id=None)
            elif assignment:
                assignment.close(category, facts={"reason": reason})
            return True

    def request_drain(self, actor: str, reason: str) -> bool:
        """Ask it to take nothing new, finish what it was handed, and retire; False where that
        was asked before, or it has ended. The pool's loop does the rest."""
        standing = Worker.standing().filter(pk=self.pk, drain_requested_at=None, ended_at=None)
        now = timezone.now()
        with transaction.atomic():
            if not standing.update(drain_requested_at=now):
                return False
            self.note("worker.drain_requested", actor=actor, reason=reason)
            self.life().update(drain_requested_at=now)
            _audit(actor, "worker.drain", self.name, reason)
        wake.send("workers")
        return True

    def decommission(self, actor: str, reason: str) -> None:
        """Destroy its droplet for good. Raises DecommissionRefused while a Task runs there."""
        with transaction.atomic():
            if not self.retire(f"decommissioned by {actor}: {reason}"[:200]):
                raise DecommissionRefused(
                    f"{self.name} has ended already, or a Task runs there: drain it instead."
                )
            _audit(actor, "worker.decommission", self.name, reason)

    def life(self) -> "models.QuerySet[DropletLife]":
        """Its line in the core's ledger, for updating."""
        return DropletLife.objects.filter(worker_id=self.pk)


_LIVE_THERE = Exists(Assignment.objects.filter(pk=OuterRef("assignment_id"), closed_at=None))


class DecommissionRefused(Exception):
    """The Worker cannot be decommissioned now; the message says why and what to do."""


def _audit(actor: str, action: str, subject: str, reason: str) -> None:
    AuditEntry.objects.create(
        actor=actor, actor_kind="person", action=action, subject=subject, reason=reason
    )


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
    def draining_since(cls) -> datetime | None:
        """When the drain that is in force was asked for; None while there is none."""
        newest = cls.objects.order_by("-id").first()
        return newest.at if newest and newest.drain else None

    @classmethod
    def ask(cls, drain: bool, actor: str, reason: str) -> None:
        """Ask for a drain of the whole pool, or for its end (Workers already draining go on)."""
        with transaction.atomic():
            cls.objects.create(drain=drain, actor=actor, reason=reason)
            _audit(actor, "pool.drain" if drain else "pool.fill", "pool", reason)
            if drain:
                for worker in Worker.standing().filter(drain_requested_at=None, ended_at=None):
                    worker.request_drain(actor, reason)
        wake.send("workers")


class Orphan(models.Model):
    """A droplet with our tag that belongs to no Worker. Noticed, shown, and left alone."""

    provider_id = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=255)
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def see(cls, provider_id: str, name: str) -> None:
        facts = {"name": name, "last_seen_at": timezone.now()}
        cls.objects.update_or_create(provider_id=provider_id, defaults=facts)
