"""Calling the dispatch API: inside the test's process, or over real HTTP."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from dispatch.models import ApiKey
from dispatch.models.client import SCOPES
from sandbox.stack import Process
from sandbox.stack.process import answers
from tests.factories import make_client

READY_SECONDS = 30.0


def issue_key(client: str = "rails", scopes: tuple[str, ...] = SCOPES) -> str:
    _, secret = ApiKey.issue(make_client(client), "test", list(scopes))
    return secret


def task_body(**overrides: Any) -> dict[str, Any]:
    """A Task as Rails sends it."""
    return shared_body() | {"order_index": 1} | overrides


def shared_body(**overrides: Any) -> dict[str, Any]:
    defaults = {
        "account": "acme",
        "suite_run_id": "build-1",
        "repository": "acme/shop",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "branch": "main",
        "order_count": 4,
        "seed": 1234,
        "project_name": "shop",
        "user_id": "7",
        "github_installation_id": "1234567",
    }
    return defaults | overrides


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def errors(self) -> dict[str, str]:
        """Field to message; fails where this is no problem document."""
        assert self.headers["content-type"] == "application/problem+json", self.content
        assert self.json["status"] == self.status
        return {error["field"]: error["message"] for error in self.json["errors"]}


@dataclass(frozen=True)
class Api:
    """Calls inside the test's process."""

    client: Client
    key: str

    def get(self, path: str, **query: Any) -> Answer:
        return self._answer(self.client.get(path, query, headers=self._headers({})))

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body) if body is not None else ""
        answer = self.client.post(
            path, content, content_type="application/json", headers=self._headers(headers)
        )
        return self._answer(answer)

    def create(self, **overrides: Any) -> Answer:
        return self.post("/api/v1/tasks", task_body(**overrides))

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Authorization": f"Bearer {self.key}"} | named

    def _answer(self, answer: Any) -> Answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status_code, headers, answer.getvalue())


@dataclass
class Site:
    """Calls over real HTTP to a web process of its own."""

    process: Process
    port: int
    key: str
    timeout: float = field(default=30.0)

    def start(self) -> None:
        url = f"http://127.0.0.1:{self.port}/livez"
        self.process.start()
        self.process.wait_ready(lambda: answers(url), READY_SECONDS)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Raises OSError or http.client.HTTPException where no whole answer comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        defaults = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, content, defaults | named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()
