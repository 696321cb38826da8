import json

import pytest
from django.test import Client
from pytest_django import Settings

from dispatch import encryption
from dispatch.fake import FakeBackend
from dispatch.models import Assignment, SuiteRun, Task, TaskEvent, TaskSecret, Webhook
from tests.dispatch.api.calling import Api, issue_key, shared_body, task_body


def nothing_is_stored() -> bool:
    models = (SuiteRun, Task, Assignment, TaskEvent, TaskSecret, Webhook)
    return not any(model.objects.exists() for model in models)


def test_it_stores_the_task_with_its_first_attempt_and_event(api: Api) -> None:
    answer = api.create(priority=5, timeout_seconds=90, labels={"team": "core"})

    task = Task.objects.get()
    assert answer.status == 201
    assert answer.json["id"] == str(task.pk)
    assert answer.headers["location"] == f"/api/v1/tasks/{task.pk}"
    assert (answer.json["state"], answer.json["backend"], answer.json["rule"]) == (
        "queued",
        "fake",
        "only",
    )
    assert (task.state, task.priority, task.timeout_seconds) == ("queued", 5, 90)
    assert task.labels == {"team": "core"}
    assignment = Assignment.objects.get()
    assert (assignment.task_id, assignment.number, assignment.backend) == (task.pk, 1, "fake")
    assert (assignment.priority, assignment.external_id, assignment.live) == (5, None, True)
    event = TaskEvent.objects.get()
    assert (event.task_id, event.seq, event.kind) == (task.pk, 1, "task.queued")
    assert (task.event_seq, task.webhook_seq) == (1, 0)


def test_the_answer_is_what_is_read_again(api: Api) -> None:
    created = api.create().json

    read = api.get(f"/api/v1/tasks/{created['id']}").json

    assert {name: read[name] for name in created} == created


def test_it_fills_in_the_defaults(api: Api) -> None:
    created = api.create(paths={"service": "app"}).json

    assert created["paths"] == {
        "dockerfile": ".saturnci/Dockerfile",
        "compose": ".saturnci/docker-compose.yml",
        "pre_script": ".saturnci/pre.sh",
        "service": "app",
    }
    assert created["clone_url"] == "https://github.com/acme/shop.git"
    assert (created["timeout_seconds"], created["priority"]) == (3600, 0)
    assert (created["test_files"], created["command"], created["labels"]) == (None, None, {})


def test_it_keeps_env_vars_encrypted_and_shows_them_nowhere(api: Api) -> None:
    created = api.create(env_vars={"API_TOKEN": "hunter2-secret"})

    secret = TaskSecret.objects.get()
    assert encryption.decrypt_mapping(secret.ciphertext) == {"API_TOKEN": "hunter2-secret"}
    assert b"hunter2" not in bytes(secret.ciphertext)
    read = api.get(f"/api/v1/tasks/{created.json['id']}")
    events = api.get(f"/api/v1/tasks/{created.json['id']}/events")
    assert b"hunter2" not in created.content + read.content + events.content


def test_ids_may_be_whole_numbers_and_become_strings(api: Api) -> None:
    created = api.create(suite_run_id=42, user_id=7, github_installation_id=99, account=3).json

    assert (created["suite_run_id"], created["user_id"]) == ("42", "7")
    assert (created["github_installation_id"], created["account"]) == ("99", "3")


def test_the_shards_of_a_suite_run_share_one_decision(api: Api) -> None:
    first, second = api.create(order_index=1), api.create(order_index=2)

    assert (first.status, second.status) == (201, 201)
    assert SuiteRun.objects.count() == 1
    assert Task.objects.filter(suite_run=SuiteRun.objects.get()).count() == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("repository", "acme/other"),
        ("commit", "feedface"),
        ("branch", "other"),
        ("order_count", 5),
        ("seed", 1),
        ("project_name", "other"),
        ("user_id", "8"),
        ("github_installation_id", "5"),
        ("clone_url", "https://example.com/acme/shop.git"),
        ("paths", {"service": "other"}),
    ],
)
def test_a_later_task_that_differs_is_told_the_stored_value(
    api: Api, field: str, value: object
) -> None:
    stored = api.create().json[field]

    answer = api.create(order_index=2, **{field: value})

    assert answer.status == 422
    assert json.dumps(stored, sort_keys=True) in answer.errors[field]
    assert Task.objects.count() == 1


@pytest.mark.parametrize("field", ["compose_text", "dockerfile_text"])
def test_a_later_task_with_another_text_is_refused_without_repeating_it(
    api: Api, field: str
) -> None:
    api.create(**{field: "the first text"})

    answer = api.create(order_index=2, **{field: "the second text"})

    assert answer.status == 422
    assert "the first text" not in answer.errors[field]


def test_an_order_index_that_is_taken_is_a_conflict(api: Api) -> None:
    api.create(order_index=3)

    answer = api.create(order_index=3)

    assert answer.status == 409
    assert answer.errors["order_index"].startswith("3 ")
    assert Task.objects.count() == 1


def test_what_the_backend_cannot_run_is_refused_with_its_reasons(
    api: Api, fake: FakeBackend
) -> None:
    fake.refusals = ("command: runs nothing of the kind; leave it out",)

    answer = api.create(command="make test")

    assert answer.status == 422
    assert answer.errors["fake"] == "command: runs nothing of the kind; leave it out"
    assert nothing_is_stored()


def test_without_any_backend_tasks_are_accepted_and_wait(api: Api, settings: Settings) -> None:
    settings.BACKENDS = {}

    answer = api.create()

    assert (answer.status, answer.json["backend"], answer.json["rule"]) == (201, "", "none")


def test_another_client_cannot_join_a_suite_run(api: Api) -> None:
    api.create()
    other = Api(Client(), issue_key("other"))

    answer = other.create(order_index=2)

    assert answer.status == 422
    assert list(answer.errors) == ["suite_run_id"]


def batch(*tasks: object, **shared: object) -> dict[str, object]:
    return shared_body(**shared) | {"tasks": list(tasks)}


def test_a_batch_creates_every_task(api: Api) -> None:
    body = batch({"order_index": 2, "priority": 1}, {"order_index": 1, "env_vars": {"A": "b"}})

    answer = api.post("/api/v1/suite_runs", body)

    assert answer.status == 201
    assert [task["order_index"] for task in answer.json["tasks"]] == [1, 2]
    assert (Task.objects.count(), Assignment.objects.count()) == (2, 2)
    assert (TaskEvent.objects.count(), TaskSecret.objects.count()) == (2, 2)
    listed = api.get(answer.headers["location"]).json["tasks"]
    assert {task["id"] for task in listed} == {task["id"] for task in answer.json["tasks"]}


@pytest.mark.parametrize(
    ("tasks", "field"),
    [
        ([{"order_index": 1}, {"order_index": 1}], "tasks[1].order_index"),
        ([{"order_index": 1}, {"order_index": 5}], "tasks[1].order_index"),
        ([{"order_index": 1}, {"order_index": 2, "env_vars": {"PATH": "x"}}], None),
        ([{"order_index": 1}, {"order_index": "2"}], "tasks[1].order_index"),
        ([{"order_index": 1, "branch": "main"}], "tasks[0].branch"),
        ([{"order_index": 1}, 7], "tasks[1]"),
        ([], "tasks"),
        ("none", "tasks"),
        ([{"order_index": n} for n in range(1, 502)], "tasks"),
    ],
)
def test_a_batch_with_one_bad_task_creates_none(api: Api, tasks: object, field: str | None) -> None:
    answer = api.post("/api/v1/suite_runs", shared_body(order_count=4) | {"tasks": tasks})

    assert answer.status == 422
    assert (field or "tasks[1].env_vars.PATH") in answer.errors
    assert nothing_is_stored()


def test_a_batch_with_one_taken_index_creates_none(api: Api) -> None:
    api.create(order_index=2)

    answer = api.post("/api/v1/suite_runs", batch({"order_index": 1}, {"order_index": 2}))

    assert answer.status == 409
    assert answer.errors["order_index"].startswith("2 ")
    assert Task.objects.count() == 1


def test_a_batch_is_refused_where_the_backend_cannot_run_one_of_them(
    api: Api, fake: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dispatch.backends import Eligibility

    def eligible(spec: object) -> Eligibility:
        refused = getattr(spec, "command", None) is not None
        return Eligibility(reasons=("no commands here",) if refused else ())

    monkeypatch.setattr(fake, "eligible", eligible)

    answer = api.post(
        "/api/v1/suite_runs", batch({"order_index": 1}, {"order_index": 2, "command": "true"})
    )

    assert (answer.status, answer.errors) == (422, {"fake": "no commands here"})
    assert nothing_is_stored()


def test_body_and_all_defaults_fit_the_longest_values(api: Api) -> None:
    body = task_body(
        account="a" * 100,
        suite_run_id=":" * 100,
        branch="b" * 255,
        project_name="c" * 200,
        seed=2**63 - 1,
        order_count=10_000,
        user_id="u" * 100,
        github_installation_id="9" * 100,
        compose_text="x" * 256_000,
    )
    answer = api.post("/api/v1/tasks", body, Idempotency_Key="k" * 255)

    assert answer.status == 201, answer.content


def test_a_batch_with_the_longest_ids_can_be_repeated(api: Api) -> None:
    body = batch({"order_index": 1}, account="@" * 100, suite_run_id=":" * 100)

    first = api.post("/api/v1/suite_runs", body, Idempotency_Key="k")
    again = api.post("/api/v1/suite_runs", body, Idempotency_Key="k")

    assert (first.status, again.status) == (201, 201)
    assert first.headers["location"] == again.headers["location"]
