"""Webhooks in tests: making some, and running the background functions that deliver them."""

from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from dispatch import webhooks
from dispatch.models import Webhook
from tests.factories import make_client, make_task

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def message(client: str = "rails") -> Webhook:
    """A webhook about a new Task."""
    task = make_task(client=make_client(client))
    Webhook.enqueue(task.pk, "task.running")
    return Webhook.objects.get(task=task)


def run_functions() -> int:
    """Run what waits in the queue, as the qcluster does; how many there were."""
    rows = list(OrmQ.objects.order_by("pk"))
    for row in rows:
        package = row.task
        import_string(package["func"])(*package["args"])
        row.delete()
    return len(rows)


def deliver() -> int:
    webhooks.enqueue_due()
    return run_functions()


def make_due(*messages: Webhook) -> None:
    rows = Webhook.objects.filter(pk__in=[one.pk for one in messages])
    rows.update(next_attempt_at=timezone.now())


def seconds_until_next(webhook: Webhook) -> float:
    webhook.refresh_from_db()
    assert webhook.next_attempt_at is not None
    return (webhook.next_attempt_at - timezone.now()).total_seconds()


def state_of(webhook: Webhook) -> tuple[int, int | None, bool, bool]:
    """attempts, last status, delivered, given up"""
    webhook.refresh_from_db()
    delivered, failed = webhook.delivered_at is not None, webhook.failed_at is not None
    return webhook.attempts, webhook.last_status, delivered, failed
