"""The sandbox cluster's record is what the Kubernetes benchmarks rest on."""

import time
from pathlib import Path

import pytest

from tests.bench.bursting import most_beyond
from tests.bench.client import Connection
from tests.bench.cluster import JOBS, cluster


def test_every_call_is_noted_with_its_time_and_what_it_made(tmp_path: Path) -> None:
    with cluster(tmp_path) as there:
        before = time.time()
        there.admin.must("POST", "/api/v1/namespaces", {"metadata": {"name": "more"}})
        middle = time.time()
        Connection(there.launched.port).ask(there.bare("GET", f"{JOBS}?limit=1", b""), 200)
        made, read = there.calls()
        assert (made.method, made.code, made.made) == ("POST", 201, "more")
        assert before <= made.at <= middle <= read.at <= time.time()
        assert (read.method, read.path, read.made) == ("GET", f"{JOBS}?limit=1", "")
        there.forget_calls()
        assert there.calls() == []


@pytest.mark.parametrize(
    ("times", "beyond"),
    [
        ([0.0, 0.1, 0.2, 0.3], 1.0),
        ([0.0, 0.0, 0.0], 3.0),
        ([0.0, 0.0, 0.0, 0.2, 0.2], 3.0),
        ([0.0, 10.0, 10.05, 10.1], 2.0),
    ],
)
def test_a_crowd_of_calls_is_beyond_the_pace_however_slow_all_were(
    times: list[float], beyond: float
) -> None:
    assert most_beyond(times, per_second=10) == pytest.approx(beyond)
