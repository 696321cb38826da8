"""A service that prints a million lines takes no more memory to read than one that prints ten
thousand: an API server gives them over real HTTP, a thousand for each second of its life."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_django import Settings

from dispatch.models import Assignment, LogStream
from kube.api import Cluster
from kube.service_logs import Source, read
from sandbox.kubernetes.kubeconfig import write_kubeconfig
from tests.factories import make_assignment, make_suite_run
from tests.sandbox.peak_memory import peak_mib

pytestmark = pytest.mark.django_db

FEW, MANY = 10_000, 1_000_000
IN_A_SECOND = 1000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LINE = "of what a service says of each query that it was asked, which may well be as long as this"
MOST_MIB = 16.0
CAP = 4_000_000


class Logs(ThreadingHTTPServer):
    """Answers for one container, as the API server does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lines = 0


class Handler(BaseHTTPRequestHandler):
    server: Logs

    def do_GET(self) -> None:
        since = parse_qs(urlsplit(self.path).query).get("sinceTime", [BEGAN.isoformat()])
        first = int((datetime.fromisoformat(since[0]) - BEGAN).total_seconds())
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        # Who has enough leaves.
        with suppress(OSError):
            for second in range(first, self.server.lines // IN_A_SECOND):
                self.wfile.write(lines_of(second))

    def log_message(self, *arguments: Any) -> None:
        pass


def lines_of(second: int) -> bytes:
    at = f"{BEGAN + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S}"
    first = second * IN_A_SECOND
    return "".join(
        f"{at}.{number:03}000001Z line {first + number} {LINE}\n" for number in range(IN_A_SECOND)
    ).encode()


@pytest.fixture
def logs() -> Iterator[Logs]:
    server = Logs()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def cluster(logs: Logs, tmp_path: Path) -> Cluster:
    kubeconfig = tmp_path / "kubeconfig"
    write_kubeconfig(kubeconfig, f"http://127.0.0.1:{logs.server_port}", {"switchyard": "token"})
    return Cluster(str(kubeconfig), "workers", timeout=5.0, per_second=1000.0, threads=2)


def reading(cluster: Cluster, logs: Logs, lines: int) -> tuple[Assignment, float]:
    """Read a service's log to its end; by how many MiB this process was larger at most."""
    assignment = make_assignment(make_suite_run(backend="kubernetes"))
    source = Source(
        assignment_id=assignment.pk,
        task_id=assignment.task_id,
        pod="pod",
        pod_uid="uid",
        container="db",
        restarts=0,
        ended=True,
    )
    logs.lines = lines
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on: proc(5)
    before = peak_mib(os.getpid())
    while read(cluster, source):
        pass
    return assignment, peak_mib(os.getpid()) - before


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_million_lines_of_a_service_take_the_memory_of_ten_thousand(
    cluster: Cluster, logs: Logs, settings: Settings
) -> None:
    settings.LOG_CAP_BYTES = CAP
    _, few = reading(cluster, logs, FEW)
    assignment, many = reading(cluster, logs, MANY)
    assert many < few + MOST_MIB, f"{few:.1f} {many:.1f} MiB"
    stream = LogStream.objects.get(assignment=assignment)
    lines = (len(f"line {number} {LINE}\n") for number in (0, 10, 100, 1000, 10_000, 100_000))
    counts = (10, 90, 900, 9000, 90_000, 900_000)
    assert stream.length == sum(map(int.__mul__, lines, counts))
    ends = [
        bytes(chunk) for chunk in stream.chunks.order_by("start").values_list("data", flat=True)
    ]
    assert ends[0].startswith(b"line 0 of") and ends[-1].endswith(b"as this\n")
    assert f"line {MANY - 1} ".encode() in ends[-1] and CAP <= sum(map(len, ends)) < 1.3 * CAP
