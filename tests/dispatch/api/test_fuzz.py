"""Random requests over real HTTP: never a 5xx, every refusal a problem that names field and
remedy, and nothing half-written. FUZZ_SEED and FUZZ_EXAMPLES change what is tried."""

import json
import os
from typing import Any

import pytest
import requests
import schemathesis
from django.db import connection
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks

from dispatch.models import Assignment, SuiteRun, Task, TaskEvent, TaskSecret
from tests.dispatch.api.calling import Answer, Site, shared_body, task_body

SEED = int(os.environ.get("FUZZ_SEED", "20261123"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "80"))
WEIRD = [
    "",
    " ",
    "\n",
    "ü",
    "\U0001f600",
    "\x00",
    "\ud800",
    "../x",
    "/x",
    "-x",
    "a" * 300,
    "$(id)",
    "'; DROP TABLE dispatch_task; --",
    "%s",
    "\\",
    "1e5",
    "true",
    "null",
]

pytestmark = pytest.mark.slow


def fuzzed(examples: int) -> Any:
    def configure(test: Any) -> Any:
        checked = list(HealthCheck)
        limits = settings(
            max_examples=examples, deadline=None, database=None, suppress_health_check=checked
        )
        return seed(SEED)(limits(test))

    return configure


def check_problem(answer: Answer) -> None:
    assert 400 <= answer.status < 500, (answer.status, answer.content)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["errors"]
    for error in answer.json["errors"]:
        assert set(error) == {"field", "message"}
        assert error["field"], error
        remedies = (": ", "; ", "Only ")
        assert any(words in error["message"] for words in remedies), error


def check_whole() -> None:
    """Every Task has all that belongs to it, and every suite run a Task."""
    tasks = Task.objects.count()
    assert Assignment.objects.count() == tasks
    assert TaskEvent.objects.filter(seq=1, kind="task.queued").count() == tasks
    alive = Task.objects.exclude(state="cancelled")
    assert TaskSecret.objects.filter(task__in=alive).count() == alive.count()
    assert not SuiteRun.objects.filter(tasks=None).exists()


# Bodies that were good before something in them was changed -------------------------------------

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(WEIRD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


def good_bodies(number: int) -> list[tuple[str, dict[str, Any]]]:
    own = {
        "test_files": ["spec/a_spec.rb"],
        "env_vars": {"A": "b"},
        "labels": {"a": "b"},
        "priority": 1,
        "timeout_seconds": 60,
        "command": None,
    }
    own["test_files"] = None
    shared = shared_body(
        suite_run_id=f"fuzz-{number}", paths={"service": "app"}, compose_text="x", clone_url=""
    )
    del shared["clone_url"]
    return [
        ("/api/v1/tasks", shared | own | {"order_index": 1}),
        ("/api/v1/suite_runs", shared | {"tasks": [own | {"order_index": n} for n in (1, 2)]}),
        ("/api/v1/rollout/weight", {"weight": 0, "reason": "fuzz"}),
    ]


@st.composite
def changed(draw: st.DrawFn, body: Any) -> Any:
    """The body with one value in it, at any depth, replaced, removed or added."""
    if isinstance(body, dict) and body and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(body)))
        how = draw(st.sampled_from(["inside", "remove", "add", "rename"]))
        rest = {key: value for key, value in body.items() if key != name}
        if how == "inside":
            return body | {name: draw(changed(body[name]))}
        if how == "add":
            return body | {draw(st.text(max_size=12)): draw(values)}
        return rest if how == "remove" else rest | {draw(st.text(max_size=12)): body[name]}
    if isinstance(body, list) and body and draw(st.booleans()):
        return [draw(changed(body[0])), *body[1:]]
    return draw(values)


def test_changed_bodies_are_taken_whole_or_refused_whole(site: Site) -> None:
    count = 0

    @fuzzed(EXAMPLES)
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        nonlocal count
        count += 1
        path, body = data.draw(st.sampled_from(good_bodies(count)))
        sent = json.dumps(data.draw(changed(body))).encode()
        before = Task.objects.count()

        answer = site.call("POST", path, sent)

        created = Task.objects.count() - before
        if answer.status == 201:
            assert created == (0 if "weight" in answer.json else len(answer.json.get("tasks", "1")))
        else:
            check_problem(answer)
            assert created == 0
        check_whole()

    run()
    assert count >= EXAMPLES
    connection.close()


def test_broken_bytes_are_refused(site: Site) -> None:
    good = json.dumps(task_body()).encode()

    @fuzzed(EXAMPLES)
    @given(st.binary(max_size=5), st.integers(0, len(good)), st.integers(0, 5))
    def run(noise: bytes, at: int, length: int) -> None:
        sent = good[:at] + noise + good[at + length :]

        answer = site.call("POST", "/api/v1/tasks", sent)

        if answer.status != 201:
            check_problem(answer)
        check_whole()

    run()


# Whatever the schema says may be sent, and what it says may not ---------------------------------

checks.load_all_checks()
CHECKS = checks.CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
    ]
)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_call_keeps_to_its_schema(site: Site, mode: GenerationMode) -> None:
    base = f"http://127.0.0.1:{site.port}"
    schema = schemathesis.openapi.from_url(f"{base}/api/v1/schema")
    task_id = site.call("POST", "/api/v1/tasks", task_body()).json["id"]
    tried = []
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        tried.append(operation.label)
        try_out(site, base, operation.as_strategy(generation_mode=mode))
        if "{task_id}" in operation.path:
            known = {"task_id": task_id}
            cases = operation.as_strategy(generation_mode=mode, path_parameters=known)
            try_out(site, base, cases)
    check_whole()
    assert len(tried) == 17


def try_out(site: Site, base: str, cases: Any) -> None:
    session = requests.Session()

    @fuzzed(max(5, EXAMPLES // 10))
    @given(case=cases)
    def run(case: Any) -> None:
        authorization = {"Authorization": f"Bearer {site.key}"}
        response = case.call(base_url=base, session=session, headers=authorization, timeout=30)
        case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400:
            headers = {name.lower(): value[0] for name, value in response.headers.items()}
            check_problem(Answer(response.status_code, headers, response.content))

    run()
