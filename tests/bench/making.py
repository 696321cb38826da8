"""Making a Job, beside a bare HTTP create of the same bytes to the same server."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import urllib3

from dispatch.controller.runner import tune_python
from dispatch.models import Assignment
from kube.api import MERGE_PATCH
from kube.manifest.job import Manifests
from kube.requesting import manifests_of
from kube.worker import KubernetesWorker
from tests.bench.cluster import JOBS, STRICT, UNPACED, Cluster, as_sent, cluster
from tests.bench.jobs import make_queued
from tests.bench.progress import Progress
from tests.bench.results import Result, of_ratios, quartiles
from tests.bench.rounds import medians, ratios, take_turns
from tests.bench.scale import Scale
from tests.bench.site import MakeSite

TARGET, AIM = 3.5, 2.0
# As long as a real one, which only the answer to the first call tells.
NO_UID = "00000000-0000-4000-8000-000000000000"
UID = b'"uid":"'
Item = TypeVar("Item")


@dataclass
class Bare:
    """The HTTP library below the client, and nothing else: bytes that are made beforehand, an
    answer that is read and left undecoded."""

    cluster: Cluster
    _pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False))

    def call(self, method: str, path: str, body: bytes, kind: str = "application/json") -> bytes:
        url = self.cluster.launched.url + path
        token = f"Bearer {self.cluster.launched.token}"
        headers = {"Authorization": token, "Content-Type": kind, "Accept": "application/json"}
        answer = self._pool.request(method, url, body=body, headers=headers)
        if answer.status >= 300:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.data!r}")
        return answer.data

    def create(self, job: bytes) -> bytes:
        return self.call("POST", JOBS + STRICT, job)


@dataclass(frozen=True, kw_only=True)
class Calls:
    """What `start` sends for one Assignment, in its order."""

    job: bytes
    dependents: tuple[tuple[str, bytes], ...]
    name: str
    release: bytes

    @classmethod
    def of(cls, wanted: Manifests) -> "Calls":
        name = str(wanted.job["metadata"]["name"])
        patch = {"metadata": {"uid": NO_UID}, "spec": {"suspend": False}}
        dependents = tuple(
            (f"{item['kind'].lower()}s", as_sent(item)) for item in wanted.dependents(NO_UID)
        )
        job, release = as_sent(wanted.job), as_sent(patch)
        return cls(job=job, dependents=dependents, name=name, release=release)

    def send(self, bare: Bare) -> None:
        answer = bare.create(self.job)
        at = answer.index(UID) + len(UID)
        uid = answer[at : at + len(NO_UID)]
        core = JOBS.replace("/apis/batch/v1", "/api/v1").removesuffix("jobs")
        for kind, body in self.dependents:
            bare.call("POST", core + kind + STRICT, body.replace(NO_UID.encode(), uid))
        release = self.release.replace(NO_UID.encode(), uid)
        bare.call("PATCH", f"{JOBS}/{self.name}", release, MERGE_PATCH)


def measure(make_site: MakeSite, scale: Scale, progress: Progress) -> list[Result]:
    site = make_site("making")
    site.connect()
    tune_python()
    with cluster(site.folder) as there:
        making = Making(there, scale.job_count)
        sides = {
            "bare": making.bare,
            "create": making.create,
            "bare start": making.bare_start,
            "start": making.start,
        }
        found = take_turns("Making Jobs", sides, scale.job_rounds, progress)
    micro = {f"{name} µs": value * 1e6 for name, value in medians(found, *sides).items()}
    whole = quartiles(ratios(found, "start", "bare start"))[1]
    return [
        of_ratios(
            "job.create",
            "Creating a Job by a bare HTTP create of the same bytes, CPU time",
            ratios(found, "create", "bare"),
            target=TARGET,
            aim=AIM,
            more_is_better=False,
            details={**micro, "whole start by its calls": whole},
        ),
    ]


class Making:
    """CPU seconds of this thread for one Job. Rows are made, and Jobs removed, off the clock."""

    def __init__(self, there: Cluster, count: int) -> None:
        self._there, self._count = there, count
        config = there.config(calls_per_second=float(UNPACED))
        self._worker = KubernetesWorker(config)
        self._bare = Bare(there)

    def create(self) -> float:
        """What `start` does up to the Job's acceptance, with its rows read."""
        return self._timed(self._queued(), self._make)

    def _make(self, assignment: Assignment) -> None:
        wanted = manifests_of(assignment, self._worker.config)
        self._worker.cluster.create("jobs", wanted.job)

    def start(self) -> float:
        return self._timed(self._queued(), self._worker.start)

    def bare(self) -> float:
        return self._timed([calls.job for calls in self._calls()], self._bare.create)

    def bare_start(self) -> float:
        return self._timed(self._calls(), lambda calls: calls.send(self._bare))

    def _queued(self) -> list[Assignment]:
        return [make_queued() for _ in range(self._count)]

    def _calls(self) -> list[Calls]:
        config = self._worker.config
        return [Calls.of(manifests_of(assignment, config)) for assignment in self._queued()]

    def _timed(self, items: Sequence[Item], do: Callable[[Item], object]) -> float:
        used = time.thread_time()
        for item in items:
            do(item)
        used = time.thread_time() - used
        self._there.remove_jobs()
        return used / len(items)
