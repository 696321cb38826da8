"""The agent API over real HTTP, with the agent's own client."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from dispatch import tokens
from dispatch.models import Assignment, LogChunk, ResultFile
from tests.dispatch.agent_api.agent import GREEN, Agent, make_agent, running
from tests.dispatch.api.calling import Site
from worker_image.switchyard_agent.errors import Refused
from worker_image.switchyard_agent.job import api
from worker_image.switchyard_agent.job.settings import Caller
from worker_image.switchyard_agent.stopping import Deadline
from worker_image.switchyard_agent.wire import Wire


def wire(site: Site, agent: Agent) -> Wire:
    caller = Caller(
        control_plane_url=f"http://127.0.0.1:{site.port}",
        assignment_id=str(agent.assignment.pk),
        token=tokens.derive("assignment", agent.assignment.pk),
        deadline_seconds=30,
        http_timeout_seconds=20,
    )
    return api.connect(caller, Deadline())


def test_an_agent_carries_an_assignment_through(site: Site, tmp_path: Path) -> None:
    agent = make_agent(KEY="hunter2-long")
    line, results = wire(site, agent), tmp_path / "rspec.json"
    results.write_bytes(GREEN)
    order = api.fields(line.deliver(api.claim("pod-1")))
    assert order["task_id"] == str(agent.task.pk)
    with pytest.raises(Refused) as refusal:
        line.send(api.claim("pod-2"))
    assert refusal.value.status == 409
    assert api.token(line.deliver(api.git_token())) == ""
    assert api.fields(line.deliver(api.heartbeat("claimed", {"results": 0})))["cancel"] is False
    for number, kind in enumerate(["cloned", "build_finished", "services_ready", "tests_started"]):
        line.deliver(api.event(number, kind, "é \x00 hunter2-long"))
    lines = b"one\nhunter2-long\n"
    assert api.fields(line.deliver(api.log_lines("test", lines, 0, last=True)))["offset"] == 17
    with pytest.raises(Refused) as refusal:
        line.send(api.log_lines("test", b"x\n", api.BEYOND_ANY_LOG, last=False))
    assert json.loads(refusal.value.body)["offset"] == 17
    assert api.fields(line.deliver(api.results(results, "r.json"))) == {"test_case_count": 2}
    line.deliver(api.artifact(results, "shot é.png"))
    report = {"exit_code": 0, "counts": {}, "phases": {}, "image_digest": ""}
    for _ in range(2):
        assert api.fields(line.deliver(api.finish(report))) == {"state": "passed"}
    row = Assignment.objects.get(pk=agent.assignment.pk)
    assert None not in (row.cloned_at, row.built_at, row.services_ready_at, row.tests_started_at)
    assert agent.task.state == "passed"
    assert bytes(LogChunk.objects.get().data) == b"one\n[REDACTED]\n"


def raw(site: Site, agent: Agent, path: str, head: dict[str, str], body: bytes) -> Any:
    """Status and JSON of an answer to what a client of HTTP would not send; the body is all that
    comes, whatever the head says."""
    token = tokens.derive("assignment", agent.assignment.pk)
    head = {"Authorization": f"Bearer {token}", "Switchyard-Agent": "1", "Host": "localhost"} | head
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as connection:
        start = (
            f"POST /api/agent/v1/assignments/{agent.assignment.pk}/{path} HTTP/1.1\r\n{lines}\r\n"
        )
        connection.sendall(start.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, json.loads(answer.read())


def test_a_body_that_ends_early_is_not_taken_for_a_whole_one(site: Site) -> None:
    agent = running()
    status, _ = raw(site, agent, "results", {"Content-Length": "500"}, GREEN)
    assert status == 400
    assert not ResultFile.objects.exists()


def test_a_body_of_unknown_length_is_asked_for_its_length(site: Site) -> None:
    agent = running()
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GREEN), GREEN)
    status, answer = raw(site, agent, "results", {"Transfer-Encoding": "chunked"}, chunks)
    assert (status, "Content-Length" in answer["error"]) == (411, True)
    assert not ResultFile.objects.exists()
