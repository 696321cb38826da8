"""A Worker's agent has come up."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from dispatch.models import DropletLife
from droplets.models import Worker, WorkerState


def become_ready(worker_id: UUID) -> None:
    """Make it idle, once; one that was asked to drain meanwhile is retired instead."""
    now = timezone.now()
    seen = {"ready_at": now, "last_seen_at": now}
    with transaction.atomic():
        provisioning = Worker.objects.filter(pk=worker_id, state=WorkerState.PROVISIONING)
        worker = provisioning.first()
        if worker is None or not Worker.move(worker_id, WorkerState.IDLE, changes=seen):
            return
        DropletLife.objects.filter(worker_id=worker_id, ready_at=None).update(ready_at=now)
        if worker.draining:
            worker.retire("drained")
