"""An agent's empty poll, beside a bare view in the same process: what it costs, what it writes."""

import itertools
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from dispatch import tokens
from droplets.models import Worker
from tests.bench.client import ask_once, request
from tests.bench.progress import Progress
from tests.bench.results import Result, of_ratios
from tests.bench.rounds import medians, ratios, take_turns
from tests.bench.rows import Population
from tests.bench.scale import Scale
from tests.bench.site import MakeSite, Web

TARGET = 2.5
MOST_WRITES, SPAN = 1, timedelta(seconds=15)
ROUNDS_UNTIL_ASKED_AGAIN = 6
# The server's own statistics come late and know no Workers.
COUNT_WRITES = """
CREATE TABLE bench_write (worker_id uuid, at timestamptz);
CREATE FUNCTION bench_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO bench_write VALUES (NEW.id, NEW.last_seen_at); RETURN NULL; END $$;
CREATE TRIGGER bench_count AFTER UPDATE ON droplets_worker
    FOR EACH ROW EXECUTE FUNCTION bench_count();
"""
STOP_COUNTING = """
DROP TRIGGER bench_count ON droplets_worker; DROP FUNCTION bench_count; DROP TABLE bench_write;
"""


def measure(make_site: MakeSite, scale: Scale, progress: Progress) -> list[Result]:
    """So many Workers ask in turn that no answer comes from a memory of the last second."""
    site = make_site("polling")
    site.connect()
    workers = scale.poll_requests * ROUNDS_UNTIL_ASKED_AGAIN
    Population().add_idle_workers(workers)
    with _counted_writes(), site.web() as web:
        sides = {
            "bare": _side(web, scale, itertools.repeat(_get("/bench/nothing"))),
            "poll": _side(web, scale, itertools.cycle(_polls())),
        }
        found = take_turns("Polling", sides, scale.poll_rounds, progress)
        writes = _writes()
    milliseconds = {f"{name} ms": value * 1000 for name, value in medians(found, *sides).items()}
    return [
        of_ratios(
            "poll.cpu",
            "Empty poll by a bare Django view, CPU time of the web process",
            ratios(found, "poll", "bare"),
            target=TARGET,
            more_is_better=False,
            details=milliseconds,
        ),
        Result(
            name="poll.writes",
            title=f"Most UPDATEs of one Worker's row in {SPAN.seconds} s",
            value=max((_most_within_span(times) for times in writes.values()), default=0),
            target=MOST_WRITES,
            more_is_better=False,
            n=workers,
            details={"writes": sum(map(len, writes.values()))},
        ),
    ]


def _side(web: Web, scale: Scale, requests: Iterator[bytes]) -> Callable[[], float]:
    """CPU seconds of the web process for one request."""

    def ask() -> float:
        used = web.cpu_seconds()
        for sent in itertools.islice(requests, scale.poll_requests):
            if ask_once(web.port, sent, 200) != b"[]":
                raise AssertionError("a poll was not empty")
        return (web.cpu_seconds() - used) / scale.poll_requests

    return ask


def _get(path: str, **headers: str) -> bytes:
    return request("GET", path, headers={"Connection": "close", **headers})


def _polls() -> list[bytes]:
    """As the Ruby agent sends them."""
    idle = Worker.objects.filter(state="idle").values_list("id", flat=True)
    return [_poll(worker_id) for worker_id in idle]


def _poll(worker_id: UUID) -> bytes:
    pair = f"{worker_id}:{tokens.derive('worker', worker_id)}"
    path = f"/api/v1/worker_agents/workers/{worker_id}/worker_assignments"
    credentials = b64encode(pair.encode()).decode()
    return _get(path, Authorization=f"Basic {credentials}", Accept="*/*")


@contextmanager
def _counted_writes() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(COUNT_WRITES)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(STOP_COUNTING)


def _writes() -> dict[UUID, list[datetime]]:
    """When each Worker's row was written."""
    found = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute("SELECT worker_id, at FROM bench_write ORDER BY at")
        for worker_id, at in cursor.fetchall():
            found[worker_id].append(at)
    return found


def _most_within_span(times: Sequence[datetime]) -> int:
    return max(sum(1 for at in times if start <= at < start + SPAN) for start in times)
