"""The calls of a Worker's agent, made in process."""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.test import Client
from django.utils import timezone

from dispatch import encryption, tokens
from dispatch.models import Assignment, TaskSecret
from droplets import dispatcher
from droplets.models import Worker
from tests.droplets.factories import make_worker
from tests.factories import make_assignment

BASE = "/api/v1/worker_agents/"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Agent:
    """One Worker's agent. Every method gives the answer of one call."""

    def __init__(self, worker: Worker, family: str = "task") -> None:
        self.worker_id: UUID = worker.pk
        self.family = family
        self.token = tokens.derive("worker", worker.pk)
        self.http = Client(raise_request_exception=False)

    def call(
        self, method: str, address: str, body: bytes = b"", *, kind: str = "", **headers: str
    ) -> Any:
        basic = base64.b64encode(f"{self.worker_id}:{self.token}".encode()).decode()
        return self.http.generic(
            method,
            BASE + address,
            body,
            content_type=kind or "application/json",
            headers={"Authorization": f"Basic {basic}", "Connection": "close", **headers},
        )

    def worker_event(self, kind: str) -> Any:
        body = json.dumps({"type": kind}).encode()
        return self.call("POST", f"workers/{self.worker_id}/worker_events", body)

    def poll(self) -> Any:
        return self.call("GET", f"workers/{self.worker_id}/worker_assignments")

    def report(self, task_id: object, name: str, body: bytes = b"", **headers: str) -> Any:
        kind = headers.pop("kind", "")
        address = f"{self.family}s/{task_id}/{name}"
        return self.call("POST", address, body, kind=kind, **headers)

    def event(self, task_id: object, kind: str, **more: str) -> Any:
        body = json.dumps({"type": kind, **more}).encode()
        return self.report(task_id, f"{self.family}_events", body)

    def log(self, task_id: object, name: str, text: bytes, **headers: str) -> Any:
        return self.report(task_id, name, base64.encodebytes(text), kind="text/plain", **headers)

    def results(self, task_id: object, body: bytes, name: str = "json_output.json") -> Any:
        return self.report(task_id, "json_output", body, **{"X-Filename": name})

    def finish(self, task_id: object) -> Any:
        return self.report(task_id, f"{self.family}_finished_events")

    def leave(self, task_id: object) -> Any:
        return self.call("DELETE", f"{self.family}s/{task_id}/runner")


def rspec(
    examples: int = 3, failures: int = 0, outside: int = 0, statuses: list[str] | None = None
) -> bytes:
    """RSpec's JSON with so many examples."""
    if statuses is None:
        statuses = ["failed"] * failures + ["passed"] * (examples - failures)
    summary = {
        "duration": 1.5,
        "example_count": examples,
        "failure_count": failures,
        "pending_count": 0,
        "errors_outside_of_examples_count": outside,
    }
    listed = [
        {"id": f"./spec/a_spec.rb[1:{n}]", "status": status} for n, status in enumerate(statuses)
    ]
    return json.dumps({"version": "3.13.2", "examples": listed, "summary": summary}).encode()


def trailer(code: int) -> bytes:
    """The end of what `script` writes, double-spaced as the Ruby agent sends it."""
    when = "2025-12-05 08:58:12-05:00"
    return f'\n\nScript done on {when} [COMMAND_EXIT_CODE="{code}"]\n\n'.encode()


def placed(env_vars: dict[str, str] | None = None, **facts: Any) -> tuple[Agent, Assignment]:
    """A Worker with an Assignment that was placed there and not yet handed out."""
    worker = make_worker(ready_at=LONG_AGO, last_seen_at=timezone.now())
    assignment = make_assignment(**facts)
    if env_vars is not None:
        ciphertext = encryption.encrypt_mapping(env_vars)
        TaskSecret.objects.create(task=assignment.task, ciphertext=ciphertext)
    assert dispatcher.claim(assignment) == worker.pk
    return Agent(worker), Assignment.by_id(assignment.pk)


def running(**facts: Any) -> tuple[Agent, Assignment]:
    """A Worker whose agent has taken its Assignment."""
    agent, assignment = placed(**facts)
    assert agent.poll().json()
    assert agent.worker_event("assignment_acknowledged").status_code == 201
    return agent, Assignment.by_id(assignment.pk)
