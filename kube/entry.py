"""What the Kubernetes backend brings to the control plane."""

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, cast

from django.core.checks import CheckMessage
from prometheus_client.core import Metric

from dispatch import backends
from dispatch.backends import Backend, BackendEntry, Loop, NavigationEntry
from kube.config import config

if TYPE_CHECKING:
    from kube.worker import KubernetesWorker


def _backend() -> Backend:
    from kube.worker import KubernetesWorker

    return KubernetesWorker(config())


def _worker() -> "KubernetesWorker":
    return cast("KubernetesWorker", backends.get("kubernetes"))


def _follow_jobs() -> None:
    _worker().jobs.follow()


def _follow_pods() -> None:
    _worker().pods.follow()


def _follow_images() -> None:
    from kube import images

    images.follow(_worker())


def _sweep_leftovers() -> None:
    from kube import leftovers

    leftovers.sweep(_worker())


def _watch_for_silence() -> None:
    from kube import silence

    silence.watch(_worker())


def _follow_service_logs() -> None:
    from kube import service_logs

    service_logs.follow(_worker())


def _note_watches() -> None:
    from kube import metrics

    metrics.note_watches(_worker())


def _facts() -> Iterable[tuple[str, str]]:
    from kube import flight, metrics

    return chain(flight.facts(), metrics.facts())


def _metrics() -> Iterable[Metric]:
    from kube import metrics

    return metrics.collect()


def _checks() -> Iterable[CheckMessage]:
    from kube import checks

    return checks.look_at(config())


# A watch lasts for seconds; the pause is for one that ends at once. A Job that is made during it is
# not seen, and asked about by its name in every pass.
PAUSE_BETWEEN_WATCHES = 0.2
# Ends come in crowds, and few of them are of a build.
REST_OF_IMAGES = 0.1

ENTRY = BackendEntry(
    title="Kubernetes",
    backend=_backend,
    console_urls="kube.console_urls",
    navigation=(NavigationEntry(title="Kubernetes", url_name="kube:jobs"),),
    holder_url="kube:job",
    facts=_facts,
    metrics=_metrics,
    checks=_checks,
    loops=(
        Loop(name="watch jobs", step=_follow_jobs, every=PAUSE_BETWEEN_WATCHES),
        Loop(name="watch pods", step=_follow_pods, every=PAUSE_BETWEEN_WATCHES),
        Loop(name="watch age", step=_note_watches, every=5.0),
        Loop(
            name="images",
            step=_follow_images,
            every=1.0,
            wakes=frozenset({"closed", "built"}),
            rest=REST_OF_IMAGES,
        ),
        Loop(name="job leftovers", step=_sweep_leftovers, every=config().leftovers_every),
        Loop(name="pod silence", step=_watch_for_silence, every=5.0),
        Loop(name="service logs", step=_follow_service_logs, every=1.0),
    ),
)
