from typing import Any
from uuid import UUID

from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from dispatch.ids import new_id
from dispatch.models.event import TaskEvent
from dispatch.models.suite_run import SuiteRun
from dispatch.outcomes import MAX_PRIMARY_ATTEMPTS, TASK_MOVES, TERMINAL, TaskState


class Task(models.Model):
    """One shard of a suite run. `state` moves only through `move`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    client = models.ForeignKey("dispatch.ApiClient", on_delete=models.PROTECT)
    suite_run = models.ForeignKey(
        SuiteRun, on_delete=models.PROTECT, related_name="tasks", db_index=False
    )
    order_index = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=TaskState, default=TaskState.QUEUED)
    category = models.CharField(max_length=30, blank=True)
    sentence = models.TextField(blank=True)
    priority = models.SmallIntegerField(default=0)
    timeout_seconds = models.PositiveIntegerField()
    command = models.TextField(null=True)
    test_files = models.JSONField(null=True)
    labels = models.JSONField(default=dict)
    event_seq = models.PositiveIntegerField(default=1)
    webhook_seq = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    fell_back_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Its index serves the foreign key, too.
            models.UniqueConstraint(
                fields=["suite_run", "order_index"], name="one_task_per_suite_run_and_order_index"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "-id"], name="tasks_by_state"),
            models.Index(
                fields=["id"],
                condition=models.Q(state__in=["queued", "assigned", "running"]),
                name="tasks_not_ended",
            ),
            models.Index(
                fields=["fell_back_at"],
                condition=models.Q(fell_back_at__isnull=False),
                name="tasks_fallen_back",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL

    @staticmethod
    def move(
        task_id: UUID, to: TaskState, *, assignment_id: UUID | None = None, **facts: Any
    ) -> bool:
        """Move one Task to a state it may reach, with its event row and its webhook.

        The conditional UPDATE's row count decides who won: False means that somebody else moved
        the Task first, and then nothing was written. `facts` are kept in the event.
        """
        sources = [state for state, targets in TASK_MOVES.items() if to in targets]
        changes: dict[str, Any] = {"state": to, "event_seq": F("event_seq") + 1}
        if to in TERMINAL:
            changes |= {"finished_at": timezone.now()}
            changes |= {key: facts[key] for key in ("category", "sentence") if key in facts}
        with transaction.atomic():
            moved = Task.objects.filter(pk=task_id, state__in=sources).update(**changes)
            if moved:
                TaskEvent.append(task_id, f"task.{to}", assignment_id=assignment_id, detail=facts)
                _announce(task_id, to, assignment_id, facts)
            return bool(moved)

    @staticmethod
    def note(
        task_id: UUID,
        kind: str,
        *,
        assignment_id: UUID | None = None,
        agent_seq: int | None = None,
        **facts: Any,
    ) -> None:
        """Append an event that changes no state. `agent_seq` is the agent's own number for it,
        unique within the Assignment."""
        with transaction.atomic():
            Task.objects.filter(pk=task_id).update(event_seq=F("event_seq") + 1)
            TaskEvent.append(
                task_id, kind, assignment_id=assignment_id, detail=facts, agent_seq=agent_seq
            )

    def cancel(self, *, actor: str) -> bool:
        """End the Task at once; whatever runs for it is told by heartbeat and then stopped."""
        from dispatch.models.assignment import Assignment
        from dispatch.outcomes import Category

        with transaction.atomic():
            live = Assignment.objects.filter(task=self, closed_at=None)
            # An attempt that ends by itself in this moment leaves a new one behind.
            for _ in range(MAX_PRIMARY_ATTEMPTS):
                for assignment in live.all():
                    assignment.close(Category.CANCELLED, facts={"actor": actor})
            return Task.objects.filter(pk=self.pk, state=TaskState.CANCELLED).exists()


def _announce(task_id: UUID, to: TaskState, assignment_id: UUID | None, facts: Any) -> None:
    from dispatch.models.webhook import Webhook

    if to != TaskState.ASSIGNED:
        Webhook.enqueue(task_id, f"task.{to}", assignment_id=assignment_id, facts=facts)


class TaskSecret(models.Model):
    """The Task's environment variables, encrypted; deleted when the Task has ended and no agent
    that was given them can report any more."""

    task = models.OneToOneField(
        Task, on_delete=models.CASCADE, primary_key=True, related_name="secret"
    )
    ciphertext = models.BinaryField()
