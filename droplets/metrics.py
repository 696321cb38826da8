"""Prometheus metrics of the droplets, read from the database when they are asked for."""

from collections.abc import Iterator

from django.db.models import Count, Q
from prometheus_client.core import GaugeMetricFamily, Metric

from droplets.config import config
from droplets.models import Orphan, PoolRequest, Worker, WorkerState


def counts() -> dict[str, int]:
    """Of the Workers whose droplet exists or may exist: by state, and how many are draining."""
    by_state = {state.value: Count("id", Q(state=state)) for state in WorkerState}
    draining = Count("id", Q(drain_requested_at__isnull=False, ended_at=None))
    return Worker.standing().aggregate(**by_state, draining=draining, standing=Count("id"))


def collect() -> Iterator[Metric]:
    found = counts()
    workers = GaugeMetricFamily(
        "switchyard_droplet_workers",
        "Workers whose droplet exists or may exist, by state.",
        labels=["state"],
    )
    for state in WorkerState:
        workers.add_metric([state.value], found[state.value])
    yield workers
    for name, text, value in (
        ("workers_draining", "Those of them that take nothing new.", found["draining"]),
        ("idle_wanted", "Idle Workers that the pool keeps.", wanted_idle()),
        ("orphans", "Droplets with our tag that belong to no Worker.", Orphan.objects.count()),
    ):
        yield GaugeMetricFamily(f"switchyard_droplet_{name}", text, value=value)


def wanted_idle() -> int:
    return 0 if PoolRequest.draining_since() else config().idle


def facts() -> Iterator[tuple[str, str]]:
    """The pool in short, for the overview."""
    found = counts()
    yield "Workers idle", f"{found['idle']} of {wanted_idle()} wanted"
    yield "Coming", str(found["provisioning"])
    yield "Draining", "the whole pool" if PoolRequest.draining_since() else str(found["draining"])
    yield "Droplets", f"{found['standing']} of {config().limit}"
