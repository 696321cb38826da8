"""The schema is valid, complete, and says of the answers what they are."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from dispatch.api import urls
from dispatch.models import ApiClient, Assignment
from dispatch.outcomes import Category
from dispatch.redaction import Redactor
from dispatch.reporting import append_log, store_artifact, store_results
from tests.dispatch.api.calling import Answer, Api, shared_body, task_body


def schema() -> Any:
    return json.loads(Client().get("/api/v1/schema").content)


def test_it_validates_without_a_warning() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


def test_everybody_may_read_it(db: None) -> None:
    answer = Client().get("/api/v1/schema")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/vnd.oai.openapi+json"
    assert answer.json()["openapi"].startswith("3.")


def test_it_has_every_address_of_the_dispatch_api_and_no_other(db: None) -> None:
    mounted = {
        f"/api/v1/{pattern.pattern}".replace("<uuid:", "{").replace("<str:", "{").replace(">", "}")
        for pattern in urls.urlpatterns
    }

    assert set(schema()["paths"]) == mounted - {"/api/v1/schema", "/api/v1/"}


def test_every_operation_names_its_problems(db: None) -> None:
    for path, operations in schema()["paths"].items():
        for method, operation in operations.items():
            assert {"401", "403", "503"} <= set(operation["responses"]), (method, path)
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"]
            assert operation["security"] == [{"apiKey": []}]


def test_requests_take_no_unknown_names(db: None) -> None:
    schemas = schema()["components"]["schemas"]

    for name in ("NewTask", "NewSuiteRun", "ShardFields", "Paths", "NewWeight"):
        assert schemas[name]["additionalProperties"] is False


def test_the_documentation_has_every_address_and_every_field(db: None) -> None:
    text = (Path(settings.ROOT) / "docs" / "api.md").read_text()
    examples = {
        "/api/v1": "$API",
        "{task_id}": "$TASK",
        "{webhook_id}": "$WEBHOOK",
        "{stream}": "test",
        "{name}": "failure.png",
    }

    for path in schema()["paths"]:
        for name, example in examples.items():
            path = path.replace(name, example)
        assert path in text
    for name in schema()["components"]["schemas"]["NewTask"]["properties"]:
        assert f"`{name}`" in text, name


def check(answer: Answer, path: str, method: str = "get") -> None:
    """The answer is as the schema says, with nothing more in it."""
    document = schema()
    content = document["paths"][path][method]["responses"][str(answer.status)]["content"]
    shape = content[answer.headers["content-type"]]["schema"]
    _close(document)
    resolved = {**shape, "components": document["components"]}
    jsonschema.Draft202012Validator(
        resolved, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(answer.json)


def _close(document: Any) -> None:
    """The schema is OpenAPI 3.0: `nullable` becomes a type, and every object is closed."""
    for component in document["components"]["schemas"].values():
        if "properties" in component:
            component.setdefault("additionalProperties", False)
            for name, shape in component["properties"].items():
                if shape.pop("nullable", False):
                    component["properties"][name] = {"anyOf": [shape, {"type": "null"}]}


@pytest.fixture
def task_id(api: Api) -> str:
    """A Task with everything that can be reported about one."""
    ApiClient.objects.update(webhook_url="http://127.0.0.1:9/")
    found: str = api.create(test_files=["a_spec.rb"], labels={"a": "b"}).json["id"]
    assignment = Assignment.objects.get()
    append_log(assignment.pk, "test", b"line\n", redactor=Redactor())
    example = {"id": "x", "status": "passed", "run_time": 1.5, "line_number": 3}
    rspec = {"examples": [example], "summary": {"example_count": 1, "failure_count": 0}}
    store_results(assignment, "a.json", json.dumps(rspec).encode(), redactor=Redactor())
    store_artifact(assignment.pk, "a.png", "image/png", b"x")
    assignment.close(Category.AGENT_LOST)
    return found


@pytest.mark.parametrize("below", ["", "/events", "/logs", "/results", "/webhooks"])
def test_what_is_told_of_a_task_is_as_it_says(api: Api, task_id: str, below: str) -> None:
    check(api.get(f"/api/v1/tasks/{task_id}{below}"), f"/api/v1/tasks/{{task_id}}{below}")


@pytest.mark.parametrize("path", ["tasks", "webhooks", "rollout", "rollout/weight", "readiness"])
def test_what_is_listed_is_as_it_says(api: Api, task_id: str, path: str) -> None:
    api.post("/api/v1/rollout/weight", {"weight": 0, "reason": "x"})

    check(api.get(f"/api/v1/{path}"), f"/api/v1/{path}")


def test_what_is_created_is_as_it_says(api: Api, task_id: str) -> None:
    task = api.post("/api/v1/tasks", task_body(order_index=2, suite_run_id="b2"))
    suite_run = api.post(
        "/api/v1/suite_runs", shared_body(suite_run_id="b3") | {"tasks": [{"order_index": 1}]}
    )
    weight = api.post("/api/v1/rollout/weight", {"weight": 0, "reason": "x"})
    cancelled = api.post(f"/api/v1/tasks/{task_id}/cancel")
    webhook = api.get("/api/v1/webhooks").json["webhooks"][0]["id"]

    check(task, "/api/v1/tasks", "post")
    check(suite_run, "/api/v1/suite_runs", "post")
    check(weight, "/api/v1/rollout/weight", "post")
    check(cancelled, "/api/v1/tasks/{task_id}/cancel", "post")
    again = api.post(f"/api/v1/webhooks/{webhook}/redeliver")
    check(again, "/api/v1/webhooks/{webhook_id}/redeliver", "post")


def test_problems_are_as_it_says(api: Api) -> None:
    check(api.create(branch=""), "/api/v1/tasks", "post")
    api.create()
    check(api.create(), "/api/v1/tasks", "post")
    check(api.get("/api/v1/tasks", limit=0), "/api/v1/tasks")
