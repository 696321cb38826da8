"""Prometheus metrics of the Kubernetes backend, read from the database when they are asked for: the
web processes that answer have no watch and no credentials."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from kube import flight
from kube.config import config
from kube.models import Image, ImageState, StrayJob, Watched
from kube.worker import KubernetesWorker


def note_watches(worker: KubernetesWorker) -> None:
    """A loop's step: write down when each watch was last heard."""
    for view in (worker.jobs, worker.pods):
        if view.silent_for < float("inf"):
            Watched.note(view.kind, timezone.now() - timedelta(seconds=view.silent_for))


def collect() -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "switchyard_watch_age_seconds",
        "Since the watch of these objects last said anything; they are listed all the same.",
        labels=["kind"],
    )
    for kind, seconds in ages().items():
        age.add_metric([kind], seconds)
    yield age
    found, queue = flight.counts(), flight.queue()
    building = Image.objects.filter(state=ImageState.BUILDING).count()
    for name, text, value in (
        ("jobs_held", "Assignments that have a Job.", found["held"]),
        ("jobs_waiting", "Those of them that wait for something.", found["waiting"]),
        ("jobs_limit", "Assignments held at most.", config().limit),
        ("images_building", "Images that are being built.", building),
        ("waiting_for_images", "Assignments without a Job that wait for one.", queue.for_images),
        ("jobs_stray", "Jobs with our labels of no Assignment.", StrayJob.objects.count()),
    ):
        yield GaugeMetricFamily(f"switchyard_kube_{name}", text, value=value)


def ages() -> dict[str, float]:
    """Seconds, by kind."""
    now = timezone.now()
    return {row.kind: (now - row.heard_at).total_seconds() for row in Watched.objects.all()}


def facts() -> Iterator[tuple[str, str]]:
    """How well we see the cluster, for the overview."""
    heard = ages()
    yield "Watches heard", f"{max(heard.values()):.0f} s ago" if heard else "never"
    strays = StrayJob.objects.count()
    if strays:
        yield "Jobs of no Assignment", str(strays)
