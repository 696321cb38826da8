from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from dispatch.ids import new_id


class Webhook(models.Model):
    """One message to one API client, written in the transaction of what it tells (outbox).

    `sequence` counts the messages about one Task from 1 without gaps. `next_attempt_at` is
    empty once it is delivered or given up; `attempts` counts the tries since the last
    (re)delivery was asked for.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    client = models.ForeignKey("dispatch.ApiClient", on_delete=models.CASCADE)
    task = models.ForeignKey("dispatch.Task", on_delete=models.CASCADE, related_name="webhooks")
    sequence = models.PositiveIntegerField()
    kind = models.CharField(max_length=60)
    payload = models.JSONField(encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(default=timezone.now)
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task", "sequence"], name="one_webhook_per_sequence"),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="webhooks_due",
            ),
            models.Index(
                fields=["-failed_at"], condition=Q(failed_at__isnull=False), name="webhooks_failed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.task_id} {self.sequence}"

    @staticmethod
    def enqueue(
        task_id: UUID, kind: str, *, assignment_id: UUID | None = None, facts: Any = None
    ) -> None:
        """Write the message in the caller's transaction, if the Task's client wants any."""
        from dispatch.models.task import Task

        tasks = Task.objects.filter(pk=task_id).exclude(client__webhook_url="")
        if not tasks.update(webhook_seq=F("webhook_seq") + 1):
            return
        task = tasks.select_related("suite_run").get()
        payload = _payload(task, kind, facts or {})
        Webhook.objects.create(
            client_id=task.client_id,
            task=task,
            sequence=task.webhook_seq,
            kind=kind,
            payload=payload | {"data": payload["data"] | {"assignment_id": assignment_id}},
        )

    def redeliver(self) -> None:
        """Ask for it to be sent again, from the first try."""
        rows = Webhook.objects.filter(pk=self.pk)
        rows.update(next_attempt_at=timezone.now(), attempts=0, failed_at=None, delivered_at=None)


def _payload(task: Any, kind: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Standard Webhooks' shape: type, timestamp, data."""
    data = {
        "task_id": task.pk,
        "account": task.suite_run.account,
        "suite_run_id": task.suite_run.suite_run_id,
        "order_index": task.order_index,
        "state": task.state,
        "category": task.category,
        "sentence": task.sentence,
        "sequence": task.webhook_seq,
        "detail": facts,
    }
    return {"type": kind, "timestamp": timezone.now(), "data": data}
