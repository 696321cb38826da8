"""A burst of Tasks: all get their one Job, at the pace that is configured."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

from dispatch.models import ApiKey, Assignment, Lease
from tests.bench.client import Crowd
from tests.bench.cluster import Call, Cluster, cluster
from tests.bench.creating import tasks
from tests.bench.jobs import ENV_VARS, TEXTS
from tests.bench.progress import Progress
from tests.bench.results import Result
from tests.bench.scale import Scale
from tests.bench.site import MakeSite
from tests.factories import make_client
from tests.waiting import wait_until

CLIENTS = 4
# The default, and as many at once after a rest.
CALLS_PER_SECOND = 50
# A call is noted when it is answered, and up to ten may wait for their answers together.
KEPT, REACHED = 1.2, 0.9
SECONDS = 300.0


def measure(make_site: MakeSite, scale: Scale, progress: Progress) -> list[Result]:
    site = make_site("bursting")
    site.connect()
    _, key = ApiKey.issue(make_client(), "bench", ["tasks:write"])
    requests = list(itertools.islice(tasks(key, env_vars=ENV_VARS, **TEXTS), scale.burst))
    pace = {"SWITCHYARD_KUBE_CALLS_PER_SECOND": str(CALLS_PER_SECOND)}
    with (
        cluster(site.folder) as there,
        site.web(**there.settings()) as web,
        site.controller(**there.settings(**pace)),
    ):
        wait_until(Lease.objects.exists)
        crowd = Crowd(web.port, CLIENTS)
        with progress.phase(f"A burst of {scale.burst:,} Tasks"):
            crowd.send(requests, 201)
            wait_until(lambda: Assignment.objects.filter(placed_at=None).count() == 0, SECONDS)
        crowd.close()
        return list(_results(there, scale.burst))


def _results(there: Cluster, count: int) -> Iterator[Result]:
    calls = there.calls()
    wrong = _lost(there, count) + _doubled(calls)
    yield Result(
        name="burst.wrong",
        title=f"Of a burst of {count:,} Tasks: without their running Job, or Jobs made twice",
        value=wrong,
        target=0,
        more_is_better=False,
        n=count,
    )
    yield Result(
        name="burst.kept",
        title="Most calls beyond the pace, by those that may come at once after a rest",
        value=most_beyond([call.at for call in calls], CALLS_PER_SECOND) / CALLS_PER_SECOND,
        target=KEPT,
        more_is_better=False,
        n=len(calls),
    )
    kinds = Counter(map(_kind, calls))
    yield Result(
        name="burst.reached",
        title=f"Calls while there was work, by the pace of {CALLS_PER_SECOND} a second",
        value=_reached(calls),
        target=REACHED,
        n=len(calls),
        details={name: number for name, number in kinds.most_common()},
    )


def _lost(there: Cluster, count: int) -> int:
    """Tasks without a Job that is theirs by its UID, and released."""
    released = {
        f"{job['metadata']['name']}/{job['metadata']['uid']}"
        for job in there.list("jobs")
        if not job["spec"]["suspend"]
    }
    known = Assignment.objects.filter(external_id__in=released, number=1)
    return count - known.values("task").distinct().count()


def _doubled(calls: Sequence[Call]) -> int:
    """Jobs that were made again, under whatever name."""
    made = [call.made for call in calls if call.makes_a_job]
    return len(made) - len({name.rpartition("-a")[0] for name in made})


def most_beyond(times: Sequence[float], per_second: float) -> float:
    """By how many calls they went at most beyond a steady pace, over any stretch of time."""
    most = beyond = last = 0.0
    for at in sorted(times):
        beyond = max(0.0, beyond - (at - last) * per_second) + 1
        most, last = max(most, beyond), at
    return most


def _reached(calls: Sequence[Call]) -> float:
    """From the first Job made to the last released, without those that may come at once."""
    first = next(call.at for call in calls if call.makes_a_job)
    last = max(call.at for call in calls if call.method == "PATCH")
    during = sum(first <= call.at <= last for call in calls)
    return (during - CALLS_PER_SECOND) / (last - first) / CALLS_PER_SECOND


def _kind(call: Call) -> str:
    """POST jobs, GET one of jobs, WATCH pods, …"""
    path, _, query = call.path.partition("?")
    kind, _, name = path.partition("/namespaces/")[2].partition("/")[2].partition("/")
    method = "WATCH" if "watch=true" in query else call.method
    return f"{method} {'one of ' if name else ''}{kind}"
