"""What the Kubernetes backend brings to the control plane."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from django.core.checks import CheckMessage

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


def _facts() -> Iterable[tuple[str, str]]:
    from kube import flight

    return flight.facts()


def _checks() -> Iterable[CheckMessage]:
    from kube import checks

    return checks.look_at(config())


# A watch lasts for seconds; the pause is for one that ends at once.
PAUSE_BETWEEN_WATCHES = 1.0

ENTRY = BackendEntry(
    title="Kubernetes",
    backend=_backend,
    console_urls="kube.console_urls",
    navigation=(NavigationEntry(title="Kubernetes", url_name="kube:jobs"),),
    holder_url="kube:job",
    facts=_facts,
    checks=_checks,
    loops=(
        Loop(name="watch jobs", step=_follow_jobs, every=PAUSE_BETWEEN_WATCHES),
        Loop(name="watch pods", step=_follow_pods, every=PAUSE_BETWEEN_WATCHES),
    ),
)
