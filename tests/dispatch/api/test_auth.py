from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from dispatch.models import ApiKey
from tests.dispatch.api.calling import Answer, Api, issue_key, task_body

TASK = "01900000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer a b", "Basic abc", "Bearer wrong", "bearer ü"]
)
def test_without_a_usable_key_nobody_gets_in(api: Api, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = Client().get("/api/v1/tasks", headers=headers)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["errors"][0]["field"] == "Authorization"


@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
    ],
)
def test_a_key_is_useless_from_the_moment_it_is_revoked_or_expired(
    api: Api, change: dict[str, object]
) -> None:
    assert api.get("/api/v1/tasks").status == 200

    ApiKey.objects.update(**change)

    assert api.get("/api/v1/tasks").status == 401


def test_a_key_that_expires_later_is_good(api: Api) -> None:
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(minutes=1))

    assert api.get("/api/v1/tasks").status == 200


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("get", "/api/v1/tasks", "tasks:read"),
        ("head", "/api/v1/tasks", "tasks:read"),
        ("post", "/api/v1/tasks", "tasks:write"),
        ("post", "/api/v1/suite_runs", "tasks:write"),
        ("get", f"/api/v1/tasks/{TASK}", "tasks:read"),
        ("post", f"/api/v1/tasks/{TASK}/cancel", "tasks:write"),
        ("get", f"/api/v1/tasks/{TASK}/events", "tasks:read"),
        ("get", f"/api/v1/tasks/{TASK}/logs", "tasks:read"),
        ("get", f"/api/v1/tasks/{TASK}/logs/test", "tasks:read"),
        ("get", f"/api/v1/tasks/{TASK}/results", "tasks:read"),
        ("get", f"/api/v1/tasks/{TASK}/artifacts/a.png", "tasks:read"),
        ("get", f"/api/v1/tasks/{TASK}/webhooks", "tasks:read"),
        ("get", "/api/v1/webhooks", "tasks:read"),
        ("post", f"/api/v1/webhooks/{TASK}/redeliver", "tasks:write"),
        ("get", "/api/v1/rollout", "rollout:read"),
        ("get", "/api/v1/rollout/weight", "rollout:read"),
        ("post", "/api/v1/rollout/weight", "rollout:write"),
    ],
)
def test_a_key_without_the_scope_is_told_which_it_lacks(
    api: Api, method: str, path: str, scope: str
) -> None:
    scopes = {"tasks:read", "tasks:write", "rollout:read", "rollout:write"} - {scope}
    headers = {"Authorization": f"Bearer {issue_key(scopes=tuple(scopes))}"}

    answer = getattr(Client(), method)(path, headers=headers)

    assert answer.status_code == 403
    if method != "head":
        assert scope in answer.json()["errors"][0]["message"]


def test_a_key_is_noted_as_used_once_a_minute(api: Api) -> None:
    api.get("/api/v1/tasks")
    first = ApiKey.objects.get().last_used_at
    api.get("/api/v1/tasks")
    assert first is not None
    assert ApiKey.objects.get().last_used_at == first

    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    api.get("/api/v1/tasks")

    used = ApiKey.objects.get().last_used_at
    assert used is not None and used > first


def test_only_the_digest_of_a_key_is_stored(api: Api) -> None:
    key = ApiKey.objects.get()

    assert api.key not in str([getattr(key, field.attname) for field in key._meta.fields])


@pytest.mark.parametrize(
    "path",
    ["", "/cancel", "/events", "/logs", "/logs/test", "/results", "/artifacts/a.png", "/webhooks"],
)
def test_a_task_of_another_client_is_not_there(api: Api, path: str) -> None:
    task_id = api.create().json["id"]
    other = Api(Client(), issue_key("other"))
    address = f"/api/v1/tasks/{task_id}{path}"

    answer: Answer = other.post(address) if path == "/cancel" else other.get(address)

    assert (answer.status, list(answer.errors)) == (404, ["id"])
    assert other.get("/api/v1/tasks").json["tasks"] == []


def test_two_clients_may_use_the_same_ids_of_their_own_accounts(api: Api) -> None:
    other = Api(Client(), issue_key("other"))

    assert api.post("/api/v1/tasks", task_body()).status == 201
    assert other.post("/api/v1/tasks", task_body(account="globex")).status == 201
