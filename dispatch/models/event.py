from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Subquery
from django.utils import timezone

from dispatch.ids import new_id


class TaskEvent(models.Model):
    """One line of a Task's story, append-only, numbered from 1 within the Task."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    task = models.ForeignKey(
        "dispatch.Task", on_delete=models.CASCADE, related_name="events", db_index=False
    )
    assignment = models.ForeignKey(
        "dispatch.Assignment", on_delete=models.CASCADE, null=True, db_index=False
    )
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=60)
    detail = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    agent_seq = models.PositiveIntegerField(null=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        # Their indexes begin with the foreign keys, which need none of their own.
        constraints = [
            models.UniqueConstraint(fields=["task", "seq"], name="one_event_per_seq"),
            models.UniqueConstraint(
                fields=["assignment", "agent_seq"], name="one_event_per_agent_seq"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"

    @staticmethod
    def append(
        task_id: UUID,
        kind: str,
        *,
        assignment_id: UUID | None,
        detail: Any,
        agent_seq: int | None = None,
    ) -> None:
        """Add an event under the number that the Task's row, updated by the caller in this
        transaction, now carries."""
        from dispatch.models.task import Task

        TaskEvent.objects.create(
            task_id=task_id,
            assignment_id=assignment_id,
            seq=Subquery(Task.objects.filter(pk=task_id).values("event_seq")),
            kind=kind,
            detail=detail,
            agent_seq=agent_seq,
        )
