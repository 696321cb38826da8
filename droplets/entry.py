"""What the droplet backend brings to the control plane."""

from collections.abc import Iterable

from django.core.checks import CheckMessage
from prometheus_client.core import Metric

from dispatch.backends import Backend, BackendEntry, Loop, NavigationEntry
from droplets.config import config


def _backend() -> Backend:
    from droplets.backend import DropletBackend

    return DropletBackend()


def _keep_pool() -> None:
    from droplets import pool

    pool.keep()


def _destroy_ended() -> None:
    from droplets import destroying

    destroying.destroy_ended()


def _compare_inventory() -> None:
    from droplets import inventory

    inventory.compare()


def _judge_reports() -> None:
    from droplets import judging

    judging.judge_all()


def _watch_for_silence() -> None:
    from droplets import silence

    silence.watch()


def _facts() -> Iterable[tuple[str, str]]:
    from droplets import metrics

    return metrics.facts()


def _metrics() -> Iterable[Metric]:
    from droplets import metrics

    return metrics.collect()


def _checks() -> Iterable[CheckMessage]:
    from droplets import checks

    return checks.look_at(config())


WORKERS = frozenset({"workers"})

ENTRY = BackendEntry(
    title="Droplets",
    backend=_backend,
    agent_urls="droplets.protocol.urls",
    console_urls="droplets.console_urls",
    navigation=(NavigationEntry(title="Droplets", url_name="droplets:pool"),),
    holder_url="droplets:worker",
    facts=_facts,
    metrics=_metrics,
    checks=_checks,
    loops=(
        Loop(name="droplet pool", step=_keep_pool, every=config().pool_every, wakes=WORKERS),
        Loop(name="droplet end", step=_destroy_ended, every=config().pool_every, wakes=WORKERS),
        Loop(name="droplet inventory", step=_compare_inventory, every=config().list_every),
        Loop(name="verdicts", step=_judge_reports, every=1.0),
        Loop(name="silence", step=_watch_for_silence, every=min(5.0, config().silence / 4)),
    ),
)
