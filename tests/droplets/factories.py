"""Rows of the droplet backend for its tests."""

from typing import Any

from droplets.models import Worker, WorkerState


def make_worker(state: str = WorkerState.IDLE, **facts: Any) -> Worker:
    worker = Worker(state=state, **facts)
    worker.name = facts.get("name", f"switchyard-default-{worker.pk}")
    worker.save(force_insert=True)
    return worker
