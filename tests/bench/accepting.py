"""From a Task's acceptance to that of its Job by the Kubernetes API, through real processes."""

import itertools
import random
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID, uuid4

from django.utils import timezone

from dispatch.models import ApiKey, Assignment, Lease, Task
from kube.manifest.request import job_name
from kube.requesting import manifests_of
from tests.bench.client import Connection
from tests.bench.cluster import JOBS, STRICT, Cluster, as_sent, cluster
from tests.bench.creating import tasks
from tests.bench.jobs import ENV_VARS, TEXTS, make_queued
from tests.bench.progress import Progress
from tests.bench.results import Result, percentile, quartiles
from tests.bench.scale import Scale
from tests.bench.site import MakeSite
from tests.factories import make_client
from tests.waiting import wait_until

TARGETS = {50: (15.0, 5.0), 99: (60.0, 25.0)}
LONGEST_PAUSE_SECONDS = 0.3
BATCH = 20
SECONDS_TO_PLACE = 60.0


def measure(make_site: MakeSite, scale: Scale, progress: Progress) -> list[Result]:
    """Tasks come one at a time, at odd moments. Between the batches the same bytes are created
    raw, and everything is removed."""
    site = make_site("accepting")
    site.connect()
    _, key = ApiKey.issue(make_client(), "bench", ["tasks:write"])
    requests = tasks(key, env_vars=ENV_VARS, **TEXTS)
    whole: list[float] = []
    raw: list[float] = []
    with (
        cluster(site.folder) as there,
        site.web(**there.settings()) as web,
        site.controller(**there.settings()),
    ):
        wait_until(Lease.objects.exists)
        body = as_sent(manifests_of(make_queued(), there.config()).job)
        Assignment.objects.update(backend="nowhere")
        client = Connection(web.port)
        _accept(client, itertools.islice(requests, BATCH))
        _forget(there)
        for _ in progress.rounds("Accepting Jobs", scale.accepted // BATCH):
            there.forget_calls()
            _accept(client, itertools.islice(requests, BATCH))
            whole += _waits(there)
            raw += _raw(there, body)
            _forget(there)
        client.close()
    return [_result(hundredth, whole, raw) for hundredth in TARGETS]


def _accept(client: Connection, requests: Iterable[bytes]) -> None:
    for sent in requests:
        time.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))
        client.ask(sent, 201)
    wait_until(_nothing_waits, SECONDS_TO_PLACE)


def _nothing_waits() -> bool:
    return not Assignment.queued("kubernetes").exists()


def _waits(there: Cluster) -> Iterator[float]:
    """Milliseconds from each new Task's own time to the moment the API answered the create."""
    accepted = {call.made: call.at for call in there.calls() if call.makes_a_job}
    tasks = Task.objects.filter(assignments__closed_at=None, state="assigned")
    for task in tasks:
        yield (accepted[job_name(task.pk, 1)] - task.created_at.timestamp()) * 1000


def _raw(there: Cluster, body: bytes) -> Iterator[float]:
    """Milliseconds from the sending of a Job to the same moment."""
    template = _task_of(body)
    for _ in range(BATCH // 2):
        there.forget_calls()
        name = str(uuid4()).encode()
        sent = there.bare("POST", JOBS + STRICT, body.replace(template, name))
        started = time.time()
        there.connection.ask(sent, 201)
        (call,) = (call for call in there.calls() if call.makes_a_job)
        yield (call.at - started) * 1000


def _task_of(body: bytes) -> bytes:
    start = body.index(b'"task-') + len(b'"task-')
    return body[start : start + len(str(UUID(int=0)))]


def _forget(there: Cluster) -> None:
    """As if all had ended long ago."""
    now = timezone.now()
    rows = Assignment.objects.filter(released_at=None)
    rows.update(category="passed", closed_at=now, released_at=now)
    Task.objects.update(state="passed")
    there.remove_jobs()


def _result(hundredth: int, whole: Sequence[float], raw: Sequence[float]) -> Result:
    """What is left without the raw create; of that the median counts, for every Task."""
    bare = statistics.median(raw)
    left = [milliseconds - bare for milliseconds in whole]
    low, middle, high = quartiles(left)
    target, aim = TARGETS[hundredth]
    details = {"raw create": bare, "p90": percentile(left, 90), "max": max(left)}
    return Result(
        name=f"accept.p{hundredth}",
        title=f"Task accepted to Job accepted without the raw create, p{hundredth}",
        value=middle if hundredth == 50 else percentile(left, hundredth),
        target=target,
        aim=aim,
        unit=" ms",
        more_is_better=False,
        n=len(left),
        low=low,
        high=high,
        details=details,
    )
