"""The backend asks a real API server for one watch of Jobs and one of pods, however many Tasks."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dispatch.models import Assignment
from kube.view import View
from kube.worker import KubernetesWorker
from tests.kube.conftest import started
from tests.kube.real_cluster import RealCluster, real_cluster
from tests.waiting import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.django_db, pytest.mark.timeout(120)]

LINE = re.compile(r"^apiserver_longrunning_requests\{(?P<labels>.*)\} (?P<count>\d+)$", re.M)
MANY = 30


@pytest.fixture
def cluster() -> RealCluster:
    cluster = real_cluster()
    cluster.clear()
    return cluster


def watches(cluster: RealCluster, kind: str) -> int:
    """How many there are in single namespaces, by the API server's own count; those of the
    cluster's controllers are of all namespaces."""
    text = cluster.admin.must("GET", "/metrics")["text"]
    wanted = (f'resource="{kind}"', 'scope="namespace"', 'verb="WATCH"')
    return sum(
        int(found["count"])
        for found in LINE.finditer(text)
        if all(label in found["labels"] for label in wanted)
    )


@contextmanager
def followed(*views: View) -> Iterator[None]:
    """By a thread each, as the controller's loops do."""
    stop = threading.Event()

    def follow(view: View) -> None:
        while not stop.is_set():
            view.follow()
            stop.wait(0.2)

    threads = [threading.Thread(target=follow, args=[view], daemon=True) for view in views]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()


def seen(worker: KubernetesWorker, assignments: list[Assignment]) -> Callable[[], bool]:
    names = [str(one.external_id).partition("/")[0] for one in assignments]
    return lambda: all(
        (worker.jobs.get(name) or {}).get("status", {}).get("active") == 1 for name in names
    )


def test_one_watch_for_each_kind_tells_of_all_tasks(cluster: RealCluster) -> None:
    before = {kind: watches(cluster, kind) for kind in ("jobs", "pods")}
    worker = KubernetesWorker(cluster.config(relist=600.0))

    def one_each() -> bool:
        """There may be none for a moment, between one watch and the next."""
        added = [watches(cluster, kind) - count for kind, count in before.items()]
        assert max(added) <= 1
        return added == [1, 1]

    with followed(worker.jobs, worker.pods):
        wait_until(one_each)
        assignments: list[Assignment] = []
        while len(assignments) < MANY:
            assignments.append(started(worker))
            if len(assignments) in (1, MANY):
                wait_until(seen(worker, assignments))
                assert len(worker.observe(assignments)) == len(assignments)
                wait_until(one_each)
    cluster.clear()
