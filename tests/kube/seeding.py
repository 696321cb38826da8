"""Jobs in every state that they can be in, as rows."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from dispatch.ids import new_id
from dispatch.models import Assignment
from dispatch.models.assignment import PHASES
from dispatch.outcomes import Category
from kube.manifest.request import job_name
from tests.factories import make_assignment, make_suite_run

NO_ROOM = "0/3 nodes are available: 3 Insufficient cpu."
PULLING = "agent: Back-off pulling image registry.example.com/agent:1"


def queued(**facts: Any) -> Assignment:
    return make_assignment(make_suite_run(backend="kubernetes", **facts))


def placed(**facts: Any) -> Assignment:
    """An Assignment with a Job of its own."""
    assignment = queued(**facts)
    assignment.place(f"{job_name(assignment.task_id, assignment.number)}/{new_id()}")
    return assignment


def waiting(reason: str = NO_ROOM, *, minutes: int = 4, **facts: Any) -> Assignment:
    assignment = placed(**facts)
    assignment.waits(reason)
    since = timezone.now() - timedelta(minutes=minutes)
    Assignment.objects.filter(pk=assignment.pk).update(pending_since=since, placed_at=since)
    return assignment


def reaching(phase: str, **facts: Any) -> Assignment:
    """It runs, and has reached this phase last."""
    assignment = placed(**facts)
    assignment.claim(f"pod-{assignment.pk}")
    for one in PHASES[1 : PHASES.index(phase) + 1]:
        assignment.reach(one)
    return assignment


def stopping(category: str = Category.CANCELLED, **facts: Any) -> Assignment:
    assignment = reaching("built", **facts)
    assignment.close(category)
    return assignment


def seed_jobs() -> None:
    for number, phase in enumerate(PHASES):
        reaching(phase, repository=("acme/shop", "acme/billing")[number % 2])
    for number in range(4):
        waiting(minutes=3 + number, repository="northwind/warehouse-api")
    waiting(PULLING, minutes=1)
    stopping()
    placed()
    for _ in range(3):
        queued()
