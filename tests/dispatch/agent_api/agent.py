"""An agent that speaks the agent API by hand, one call at a time."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from dispatch import encryption, tokens
from dispatch.models import Assignment, LogChunk, LogStream, Task, TaskSecret
from dispatch.outcomes import Category
from tests.dispatch.result_files import rspec
from tests.factories import make_assignment

INSTANCE = "pod-1"
GREEN = rspec()
RED = rspec(failure_count=1)
EMPTY = json.dumps({"summary": {"example_count": 0, "failure_count": 0}}).encode()


@dataclass
class Answer:
    status: int
    json: dict[str, Any]
    headers: dict[str, str]


@dataclass
class Agent:
    """`headers` override those that each call has; one that is None is left out."""

    assignment: Assignment
    token: str = ""
    headers: dict[str, str | None] = field(default_factory=dict)
    client: Client = field(default_factory=Client)

    def call(
        self, path: str, body: Any = None, *, method: str = "POST", **headers: str | None
    ) -> Answer:
        """`body`: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body)
        token = self.token or tokens.derive("assignment", self.assignment.pk)
        given = {"Authorization": f"Bearer {token}", "Switchyard-Agent": "1", **self.headers}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.generic(
            method,
            f"/api/agent/v1/assignments/{self.assignment.pk}/{path}",
            data,
            content_type=given.pop("Content-Type", None) or "application/json",
            headers={name: value for name, value in given.items() if value is not None},
        )
        return Answer(answer.status_code, json.loads(answer.content), dict(answer.headers))

    def claim(self, instance: str = INSTANCE) -> Answer:
        return self.call("claim", {"instance": instance})

    def event(self, seq: int, kind: str, detail: str = "", **more: Any) -> Answer:
        return self.call("events", {"seq": seq, "type": kind, "detail": detail, **more})

    def log(self, data: bytes, offset: int, *, stream: str = "test", end: bool = False) -> Answer:
        return self.call(f"logs/{stream}?offset={offset}" + ("&end=1" if end else ""), data)

    def results(self, data: bytes = GREEN, name: str = "rspec.json") -> Answer:
        return self.call("results", data, X_Filename=name)

    def artifact(
        self, data: bytes = b"png", name: str = "a.png", kind: str = "image/png"
    ) -> Answer:
        return self.call("artifacts", data, X_Filename=name, Content_Type=kind)

    def finish(self, exit_code: int | None = 0, **more: Any) -> Answer:
        return self.call("finish", {"exit_code": exit_code, **more})

    @property
    def row(self) -> Assignment:
        return Assignment.by_id(self.assignment.pk)

    @property
    def task(self) -> Task:
        return Task.objects.get(pk=self.assignment.task_id)


def make_agent(assignment: Assignment | None = None, /, **secrets: str) -> Agent:
    """Of an Assignment that nobody has claimed. `secrets` are the Task's variables."""
    assignment = assignment or make_assignment()
    ciphertext = encryption.encrypt_mapping(secrets)
    TaskSecret.objects.create(task=assignment.task, ciphertext=ciphertext)
    return Agent(assignment)


def running(assignment: Assignment | None = None, /, **secrets: str) -> Agent:
    """After its claim."""
    agent = make_agent(assignment, **secrets)
    assert agent.claim().status == 200
    return agent


def finished(**secrets: str) -> Agent:
    """Closed by its own finish."""
    agent = running(**secrets)
    agent.results()
    assert agent.finish().json == {"state": "passed"}
    return agent


def cancelled() -> Agent:
    agent = running()
    assert agent.task.cancel(actor="somebody")
    return agent


def superseded() -> Agent:
    """A later attempt exists."""
    agent = running()
    assert agent.row.close(Category.AGENT_LOST)
    assert agent.row.superseded
    return agent


def timed_out() -> Agent:
    """Ended by the control plane, and no later attempt exists."""
    agent = running()
    assert agent.row.close(Category.TIMEOUT)
    return agent


def release(agent: Agent, minutes: float) -> None:
    """As if the backend had confirmed so long ago that it holds nothing."""
    long_ago = timezone.now() - timedelta(minutes=minutes)
    Assignment.objects.filter(pk=agent.assignment.pk).update(released_at=long_ago)


def stored(agent: Agent, name: str = "test") -> bytes:
    chunks = LogChunk.objects.filter(stream__assignment=agent.assignment, stream__name=name)
    data = chunks.order_by("start").values_list("data", flat=True)
    return b"".join(bytes(piece) for piece in data)


def received(agent: Agent, name: str = "test") -> int:
    return LogStream.objects.get(assignment=agent.assignment, name=name).received
