"""The Ruby agent's calls as they were recorded, replayed byte for byte over real connections.

Headers and their order, the empty bodies, Base64 in columns of 60 and the closed connections are
those of Net::HTTP in Ruby 3; the ids are filled in.
"""

import base64
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

from dispatch import tokens
from dispatch.models import Artifact, Assignment, LogChunk, Task, TaskEvent
from droplets import dispatcher
from droplets.models import Worker, WorkerState
from sandbox.stack.process import Process, answers
from tests.droplets.factories import make_worker
from tests.droplets.protocol.agent import rspec
from tests.factories import make_assignment, make_suite_run
from tests.ports import free_port
from tests.rails import TOKEN, served
from tests.waiting import wait_until

SECONDS = 60.0
JSON, TEXT, PNG = "application/json", "text/plain", "image/png"


@dataclass(frozen=True, kw_only=True)
class Web:
    """A web process as in production, with a Rails that gives tokens."""

    port: int


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: bytes
    headers: dict[str, str]
    body: bytes


@pytest.fixture
def web(database_url: str, tmp_path: Path) -> Iterator[Web]:
    port = free_port()
    argv = ["-m", "gunicorn", "controlplane.wsgi", "--bind", f"127.0.0.1:{port}"]
    argv += ["--workers", "2", "--worker-class", "gthread", "--threads", "4"]
    with served() as rails:
        environ = {
            **os.environ,
            "DATABASE_URL": database_url,
            "SWITCHYARD_GITHUB_TOKEN_URL": rails.url,
        }
        log = tmp_path / "web.log"
        process = Process("web", [sys.executable, *argv], environ, settings.ROOT, log)
        process.start()
        try:
            process.wait_ready(lambda: answers(f"http://127.0.0.1:{port}/livez"), SECONDS)
            yield Web(port=port)
        finally:
            process.stop()


@dataclass(frozen=True, kw_only=True)
class RubyAgent:
    """`slash`: its host setting ends in one. `length`: an empty POST tells its length."""

    web: Web
    worker_id: object
    token: str
    family: str = "task"
    slash: bool = False
    length: bool = True

    def request(self, method: str, address: str, body: bytes | None, kind: str, name: str) -> bytes:
        base = "//api/v1/worker_agents/" if self.slash else "/api/v1/worker_agents/"
        pair = base64.b64encode(f"{self.worker_id}:{self.token}".encode()).decode()
        lines = [
            f"{method} {base}{address} HTTP/1.1",
            "Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
            "Accept: */*",
            "User-Agent: Ruby",
            f"Host: 127.0.0.1:{self.web.port}",
            f"Authorization: Basic {pair}",
            f"Content-Type: {kind}",
            *([f"X-Filename: {name}"] if name else []),
            "Connection: close",
        ]
        if body is not None or (method == "POST" and self.length):
            lines.append(f"Content-Length: {len(body or b'')}")
        return "\r\n".join([*lines, "", ""]).encode() + (body or b"")

    def call(
        self, method: str, address: str, body: bytes | None = None, kind: str = JSON, name: str = ""
    ) -> Reply:
        """One connection for one call: the server must close it."""
        with socket.create_connection(("127.0.0.1", self.web.port), timeout=SECONDS) as connection:
            connection.sendall(self.request(method, address, body, kind, name))
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, content = received.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        pairs = (line.decode().split(": ", 1) for line in lines)
        return Reply(status=status, headers={k.lower(): v for k, v in pairs}, body=content)

    def worker_event(self, kind: str) -> Reply:
        body = b'{"type":"%s"}' % kind.encode()
        return self.call("POST", f"workers/{self.worker_id}/worker_events", body)

    def poll(self) -> Reply:
        return self.call("GET", f"workers/{self.worker_id}/worker_assignments")

    def event(self, task_id: object, kind: str) -> Reply:
        address = f"{self.family}s/{task_id}/{self.family}_events"
        return self.call("POST", address, b'{"type":"%s"}' % kind.encode())

    def log(self, task_id: object, name: str, lines: list[bytes]) -> Reply:
        text = b"\n".join(lines) + b"\n"
        return self.call("POST", f"{self.family}s/{task_id}/{name}", ruby_base64(text), TEXT)


def ruby_base64(text: bytes) -> bytes:
    """`Base64.encode64`"""
    encoded = base64.b64encode(text)
    return b"".join(encoded[at : at + 60] + b"\n" for at in range(0, len(encoded), 60))


CREATED, OK = b"HTTP/1.1 201 Created", b"HTTP/1.1 200 OK"


def must_be(reply: Reply, status: bytes, body: bytes) -> None:
    assert (reply.status, reply.body) == (status, body)
    assert (reply.headers["connection"], reply.headers["content-length"]) == (
        "close", str(len(body))
    )  # fmt: skip


@pytest.fixture
def provisioning() -> Worker:
    return make_worker(WorkerState.PROVISIONING)


def agent_on(web: Web, worker: Worker, **facts: object) -> RubyAgent:
    token = tokens.derive("worker", worker.pk)
    return RubyAgent(web=web, worker_id=worker.pk, token=token, **facts)  # type: ignore[arg-type]


def take_work(agent: RubyAgent, worker: Worker) -> Assignment:
    """From the first call to the acknowledgement."""
    must_be(agent.worker_event("ready_signal_received"), CREATED, b"")
    must_be(agent.poll(), OK, b"[]")
    assignment = make_assignment(make_suite_run(github_installation_id="4711"))
    assert dispatcher.claim(assignment) == worker.pk
    reply = first_item(agent)
    assert (reply.status, reply.headers["content-type"]) == (OK, "application/json; charset=utf-8")
    (item,) = json.loads(reply.body)
    assert item["task_id"] == item["run_id"] == str(assignment.task_id)
    must_be(agent.worker_event("assignment_acknowledged"), CREATED, b"")
    return assignment


def first_item(agent: RubyAgent) -> Reply:
    """Each web process repeats its last empty answer for up to a second."""
    replies: list[Reply] = []

    def has_come() -> bool:
        replies.append(agent.poll())
        return replies[-1].body != b"[]"

    wait_until(has_come, 10)
    return replies[-1]


SCRIPT = [
    b'Script started on 2026-11-23 19:26:40+00:00 [COMMAND="sudo docker compose run app rspec"]\n',
    b"\n",
    b"part 1\r\n",
    b"\x1b[32m  works\x1b[0m\r\n",
    b"\n",
    b'Script done on 2026-11-23 19:26:41+00:00 [COMMAND_EXIT_CODE="%d"]\n',
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "family,slash,length,failures",
    [("run", False, True, 0), ("task", True, True, 1), ("task", False, False, 0)],
)
def test_a_recorded_run(
    web: Web, provisioning: Worker, family: str, slash: bool, length: bool, failures: int
) -> None:
    agent = agent_on(web, provisioning, family=family, slash=slash, length=length)
    assignment = take_work(agent, provisioning)
    task_id, suite_run_id = assignment.task_id, assignment.task.suite_run.suite_run_id
    must_be(agent.log(task_id, "system_logs", [b"booting\n", b"up\n"]), OK, b"")
    must_be(agent.event(task_id, "runner_ready"), OK, b"")
    question = b'{"github_installation_id":"4711"}'
    must_be(agent.call("POST", "github_tokens", question), OK, TOKEN.encode())
    for kind in ("repository_cloned", "pre_script_started", "pre_script_finished"):
        must_be(agent.event(task_id, kind), OK, b"")
    counted = agent.call("PATCH", f"test_suite_runs/{suite_run_id}", b'{"dry_run_example_count":8}')
    assert (counted.status, json.loads(counted.body)["dry_run_example_count"]) == (OK, 8)
    must_be(agent.event(task_id, "test_suite_started"), OK, b"")
    lines = [*SCRIPT[:-1], SCRIPT[-1] % (1 if failures else 0)]
    must_be(agent.log(task_id, "test_output", lines), OK, b"")
    address = f"{family}s/{task_id}"
    results = agent.call(
        "POST", f"{address}/json_output", rspec(8, failures=failures), JSON, "json_output.json"
    )
    must_be(results, OK, b'{"test_case_run_count": 8}')
    shot = agent.call(
        "POST", f"{address}/test_failure_screenshots", b"\x89PNG\r\n\x1a\n", PNG, "failures_1.png"
    )
    must_be(shot, OK, b"")
    must_be(agent.call("POST", f"{address}/{family}_finished_events"), OK, b"")
    must_be(agent.log(task_id, "system_logs", [b"Run finished\n"]), OK, b"")
    must_be(agent.call("DELETE", f"{address}/runner"), OK, b"")
    task = Task.objects.get(pk=task_id)
    assert task.state == ("failed" if failures else "passed")
    assert stored(assignment, "system") == b"booting\nup\nRun finished\n"
    assert stored(assignment, "test") == b"".join(lines)
    assert Artifact.objects.get().name == "failures_1.png"
    kinds = TaskEvent.objects.filter(task=task).order_by("seq").values_list("kind", flat=True)
    assert list(kinds) == [
        "task.queued", "task.assigned", "task.running", "agent.runner_ready",
        "agent.repository_cloned", "agent.pre_script_started", "agent.pre_script_finished",
        "agent.test_suite_started", f"task.{task.state}", "agent.finished",
    ]  # fmt: skip


def stored(assignment: Assignment, name: str) -> bytes:
    rows = LogChunk.objects.filter(stream__assignment=assignment, stream__name=name)
    return b"".join(bytes(data) for data in rows.order_by("start").values_list("data", flat=True))


@pytest.mark.django_db(transaction=True)
def test_concurrent_logs_over_real_connections_are_all_kept(web: Web, provisioning: Worker) -> None:
    agent = agent_on(web, provisioning)
    task_id = take_work(agent, provisioning).task_id
    lines = [b"%03d %s\n" % (number, b"x" * 300) for number in range(60)]

    def post(line: bytes) -> bytes:
        return agent.log(task_id, "system_logs", [line]).status

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(post, lines)) == {OK}
    assignment = Assignment.objects.get(task=task_id)
    assert sorted(stored(assignment, "system").splitlines(keepends=True)) == lines


@pytest.mark.django_db(transaction=True)
def test_a_first_log_of_many_megabytes_is_taken_quickly(web: Web, provisioning: Worker) -> None:
    agent = agent_on(web, provisioning)
    task_id = take_work(agent, provisioning).task_id
    lines = [
        b"Dec  5 08:58:12 host systemd[1]: line %07d of the boot\n" % n for n in range(150_000)
    ]
    started = time.monotonic()
    assert agent.log(task_id, "system_logs", lines).status == OK
    assert time.monotonic() - started < 20
    assignment = Assignment.objects.get(task=task_id)
    assert stored(assignment, "system") == b"".join(lines)


@pytest.mark.django_db(transaction=True)
def test_refusals_are_short_plain_and_close_the_connection(web: Web, provisioning: Worker) -> None:
    agent = agent_on(web, provisioning)
    task_id = take_work(agent, provisioning).task_id
    wrong = RubyAgent(web=web, worker_id=agent.worker_id, token="k1.wrong")
    must_be(wrong.poll(), b"HTTP/1.1 401 Unauthorized", b"Unauthorized\n")
    must_be(wrong.call("POST", "github_tokens", b"{}"), b"HTTP/1.1 401 Unauthorized", b"")
    assert Task.objects.get(pk=task_id).cancel(actor="rails")
    must_be(
        agent.event(task_id, "runner_ready"),
        b"HTTP/1.1 409 Conflict",
        b"The Task was cancelled.\n",
    )
    must_be(agent.log(task_id, "system_logs", [b"late\n"]), OK, b"")
    wait_until(lambda: agent.poll().body == b"[]", 10)
