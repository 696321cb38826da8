"""From a Task's acceptance to its Worker, through real processes."""

import itertools
import random
import time
from collections.abc import Iterable

from django.db import connection

from dispatch.models import ApiKey, Assignment, Lease
from tests.bench.client import Connection
from tests.bench.creating import tasks
from tests.bench.progress import Progress
from tests.bench.results import Result, percentile, quartiles
from tests.bench.rows import Population
from tests.bench.scale import Scale
from tests.bench.site import MakeSite
from tests.factories import make_client
from tests.waiting import wait_until

TARGET_MILLISECONDS = 25.0
LONGEST_PAUSE_SECONDS = 0.05
IDLE = 25
BATCH = 20
POOL = {"SWITCHYARD_POOL_IDLE": str(IDLE), "SWITCHYARD_POOL_LIMIT": str(IDLE)}
# From the Task's own time to the commit of the claim, which is what wrote its Assignment last.
WAITS = """
SELECT extract(epoch FROM pg_xact_commit_timestamp(a.xmin) - t.created_at) * 1000
FROM dispatch_assignment a JOIN dispatch_task t ON t.id = a.task_id
WHERE a.closed_at IS NULL AND a.external_id IS NOT NULL
"""


def measure(make_site: MakeSite, scale: Scale, progress: Progress) -> list[Result]:
    """Tasks come one at a time, at odd moments, and find a pool of the usual size."""
    site = make_site("assigning")
    site.connect()
    _, key = ApiKey.issue(make_client(), "bench", ["tasks:write"])
    requests = tasks(key)
    population = Population()
    population.add_idle_workers(IDLE)
    milliseconds: list[float] = []
    with site.web() as web, site.controller(**POOL):
        wait_until(Lease.objects.exists)
        client = Connection(web.port)
        _assign(client, itertools.islice(requests, BATCH))
        for _ in progress.rounds("Assigning Tasks", scale.assignments // BATCH):
            # Those that are used up are replaced before they go: the pool itself has nothing to do.
            population.add_idle_workers(BATCH)
            population.finish_what_was_placed()
            _assign(client, itertools.islice(requests, BATCH))
            milliseconds += _waits()
        client.close()
    return [_result(milliseconds)]


def _assign(client: Connection, requests: Iterable[bytes]) -> None:
    for sent in requests:
        time.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))
        client.ask(sent, 201)
    wait_until(_nothing_waits)


def _nothing_waits() -> bool:
    return not Assignment.queued("droplets").exists()


def _waits() -> list[float]:
    with connection.cursor() as cursor:
        cursor.execute(WAITS)
        return [float(milliseconds) for (milliseconds,) in cursor.fetchall()]


def _result(milliseconds: list[float]) -> Result:
    low, middle, high = quartiles(milliseconds)
    return Result(
        name="assign.p99",
        title="Task accepted to Worker assigned, 99th percentile",
        value=percentile(milliseconds, 99),
        target=TARGET_MILLISECONDS,
        unit=" ms",
        more_is_better=False,
        n=len(milliseconds),
        low=low,
        high=high,
        details={"p50": middle, "p90": percentile(milliseconds, 90), "max": max(milliseconds)},
    )
