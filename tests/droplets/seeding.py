"""A pool in the middle of its day, for pages and screenshots."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.utils import timezone

from dispatch.models import Assignment, DropletLife
from droplets.models import Orphan, Worker, WorkerState
from tests.droplets.factories import make_worker


def seed_pool() -> None:
    """Workers for every Assignment on droplets that there is, and some that wait."""
    for assignment in Assignment.objects.filter(backend="droplets", external_id__isnull=False):
        _holder(assignment)
    for number in range(4):
        standing(WorkerState.IDLE, minutes=3 + 11 * number, address=f"203.0.113.{20 + number}")
    standing(WorkerState.PROVISIONING, minutes=1)
    draining = standing(WorkerState.IDLE, minutes=52, address="203.0.113.77")
    draining.request_drain("maria", "Its disk is slow")
    Orphan.see("481516234", "switchyard-default-by-hand")


def standing(state: str, *, minutes: int = 5, address: str | None = None) -> Worker:
    now = timezone.now()
    made = now - timedelta(minutes=minutes)
    idle = state != WorkerState.PROVISIONING
    worker = make_worker(
        state,
        size="s-4vcpu-8gb",
        region="nyc1",
        provider_id=str(440_000_000 + minutes),
        ip_address=address,
        created_at=made,
        active_at=made + timedelta(seconds=41) if idle else None,
        ready_at=made + timedelta(seconds=78) if idle else None,
        last_seen_at=now - timedelta(seconds=3) if idle else None,
    )
    worker.note("worker.provisioning")
    DropletLife.objects.create(
        worker_id=worker.pk,
        name=worker.name,
        size=worker.size,
        hourly_price=Decimal("0.07143"),
        created_at=made,
    )
    return worker


def _holder(assignment: Assignment) -> None:
    now = timezone.now()
    life = DropletLife.objects.get(worker_id=UUID(assignment.external_id))
    ended = assignment.released_at is not None
    worker = make_worker(
        WorkerState.RETIRED if ended else WorkerState.BUSY,
        id=life.worker_id,
        name=life.name,
        size=life.size,
        region=life.region,
        provider_id=life.provider_id,
        assignment_id=assignment.pk,
        created_at=life.created_at,
        assigned_at=assignment.placed_at,
        last_seen_at=now - timedelta(seconds=4),
        ended_at=assignment.closed_at,
        destroyed_at=assignment.released_at,
        end_reason="its Assignment is closed" if ended else "",
    )
    worker.note("worker.busy", assignment=assignment.pk)
