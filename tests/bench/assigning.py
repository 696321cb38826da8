"""From a Task's acceptance to its Worker, through real processes."""

import itertools
import random
import time

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
WARM_UP = 20
BATCH = 50
# From the Task's own time to the commit of the claim, which is what wrote its Assignment last.
WAITS = """
SELECT extract(epoch FROM pg_xact_commit_timestamp(a.xmin) - t.created_at) * 1000
FROM dispatch_assignment a JOIN dispatch_task t ON t.id = a.task_id ORDER BY t.id
"""


def measure(make_site: MakeSite, scale: Scale, progress: Progress) -> list[Result]:
    """Tasks come one at a time, at odd moments; more Workers are idle than there are Tasks."""
    site = make_site("assigning")
    site.connect()
    _, key = ApiKey.issue(make_client(), "bench", ["tasks:write"])
    requests = tasks(key)
    count = WARM_UP + scale.assignments
    Population().add_idle_workers(count)
    enough = {"SWITCHYARD_POOL_IDLE": str(count), "SWITCHYARD_POOL_LIMIT": str(count)}
    with site.web() as web, site.controller(**enough):
        wait_until(Lease.objects.exists)
        client = Connection(web.port)
        client.ask_all(itertools.islice(requests, WARM_UP), 201)
        wait_until(_nothing_waits)
        for _ in progress.rounds("Assigning Tasks", scale.assignments // BATCH):
            for sent in itertools.islice(requests, BATCH):
                time.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))
                client.ask(sent, 201)
        wait_until(_nothing_waits)
        client.close()
    return [_result(_milliseconds())]


def _nothing_waits() -> bool:
    return not Assignment.queued("droplets").exists()


def _milliseconds() -> list[float]:
    with connection.cursor() as cursor:
        cursor.execute(WAITS)
        waits = [float(milliseconds) for (milliseconds,) in cursor.fetchall()]
    return waits[WARM_UP:]


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
