"""Reconciling live Jobs, beside decoding the same JSON."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from django.test import override_settings

from dispatch import backends
from dispatch.controller.reconciling import Reconciling
from dispatch.controller.runner import tune_python
from kube.api import MERGE_PATCH
from kube.config import config
from kube.manifest.job import selector
from tests.bench.cluster import JOBS, PODS, Call, Cluster, as_sent, cluster
from tests.bench.jobs import make_queued
from tests.bench.pods import running
from tests.bench.progress import Progress
from tests.bench.results import Result, of_ratios
from tests.bench.rounds import medians, ratios, take_turns
from tests.bench.scale import Scale
from tests.bench.site import MakeSite
from tests.waiting import wait_until

TARGET, AIM = 3.0, 1.5
# As often as the settings allow; each pass lists again.
RELIST_SECONDS = 0.2
SECONDS_TO_RUN = 120.0


def measure(make_site: MakeSite, scale: Scale, progress: Progress) -> list[Result]:
    """The pass of the controller's own loop: rows, both lists, every Job read, every row
    settled."""
    site = make_site("reconciling")
    site.connect()
    with cluster(site.folder) as there, _configured(there):
        with progress.phase(f"Starting {scale.live:,} Jobs"):
            _fill(there, scale.live)
        passes = Passes(there)
        sides = {"decode": passes.decode, "reconcile": passes.reconcile}
        found = take_turns("Reconciling", sides, scale.reconcile_rounds, progress)
    milliseconds = {f"{name} ms": value * 1000 for name, value in medians(found, *sides).items()}
    return [
        of_ratios(
            "reconcile.cpu",
            f"Reconciling {scale.live:,} live Jobs by decoding the same JSON, CPU time",
            ratios(found, "reconcile", "decode"),
            target=TARGET,
            aim=AIM,
            more_is_better=False,
            details={**milliseconds, "megabytes": passes.size / 1e6},
        )
    ]


@contextmanager
def _configured(there: Cluster) -> Iterator[None]:
    """The Kubernetes backend in this process, which is tuned as the controller's own."""
    settings = there.settings(SWITCHYARD_KUBE_RELIST_SECONDS=str(RELIST_SECONDS))
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        with override_settings(BACKENDS={"kubernetes": "kube.entry.ENTRY"}):
            _forget()
            tune_python()
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        _forget()


def _forget() -> None:
    config.cache_clear()
    backends.forget()


def _fill(there: Cluster, count: int) -> None:
    """Jobs that run."""
    worker = backends.get("kubernetes")
    for _ in range(count):
        assignment = make_queued()
        assignment.place(worker.start(assignment).external_id)
    wait_until(lambda: there.count("pods") == count, SECONDS_TO_RUN)
    for pod in there.list("pods"):
        path = f"{PODS}/{pod['metadata']['name']}/status"
        body = as_sent({"status": running(pod)})
        there.connection.ask(there.bare("PATCH", path, body, MERGE_PATCH), 200)
    wait_until(
        lambda: all(job["status"].get("ready") for job in there.list("jobs")), SECONDS_TO_RUN
    )


class Passes:
    """CPU seconds of this thread for one pass; a list is due again before each. Both sides keep
    what they read until they read it again."""

    def __init__(self, there: Cluster) -> None:
        self._loop = Reconciling("kubernetes")
        self._there = there
        asked = f"?labelSelector={quote(selector(config().manifest))}"
        self._texts = [
            there.connection.ask(there.bare("GET", path + asked, b""), 200) for path in (JOBS, PODS)
        ]
        self._decoded: list[dict[str, Any]] = []
        self.size = sum(map(len, self._texts))

    def decode(self) -> float:
        used = time.thread_time()
        self._decoded = [json.loads(text) for text in self._texts]
        return time.thread_time() - used

    def reconcile(self) -> float:
        time.sleep(RELIST_SECONDS)
        self._there.forget_calls()
        used = time.thread_time()
        self._loop.step()
        used = time.thread_time() - used
        self._check(self._there.calls())
        return used

    def _check(self, calls: Sequence[Call]) -> None:
        """A list of many is asked for in pages."""
        started = [call.path.partition("?")[0] for call in calls if "&continue=" not in call.path]
        asked = {(call.method, call.path.partition("?")[0]) for call in calls}
        if sorted(started) != sorted([JOBS, PODS]) or asked != {("GET", JOBS), ("GET", PODS)}:
            raise AssertionError("a pass has to list both kinds, once, and to ask nothing else")
