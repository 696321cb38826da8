from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from dispatch import backends
from dispatch.models import ApiClient, Assignment, AuditEntry, Rollout, Task, TrafficSplit, Webhook
from dispatch.outcomes import Category
from tests.dispatch.api.calling import Api, issue_key

NOBODY = "01900000-0000-7000-8000-000000000000"


# Cancel ---------------------------------------------------------------------------------------


def test_cancel_ends_a_task_at_once(api: Api) -> None:
    task_id = api.create().json["id"]

    answer = api.post(f"/api/v1/tasks/{task_id}/cancel")

    assert (answer.status, answer.json["state"]) == (200, "cancelled")
    assert answer.json["attempts"][0]["category"] == "cancelled"
    events = api.get(f"/api/v1/tasks/{task_id}/events").json["events"]
    assert [event["type"] for event in events] == ["task.queued", "task.cancelled"]
    assert events[1]["detail"]["actor"] == "rails: test"


def test_cancel_again_changes_nothing(api: Api) -> None:
    task_id = api.create().json["id"]
    first = api.post(f"/api/v1/tasks/{task_id}/cancel", {})

    again = api.post(f"/api/v1/tasks/{task_id}/cancel", {})

    assert (again.status, again.content) == (200, first.content)


def test_a_task_that_has_ended_stays_as_it_ended(api: Api) -> None:
    task_id = api.create().json["id"]
    Assignment.objects.get().close(Category.PASSED)

    answer = api.post(f"/api/v1/tasks/{task_id}/cancel")

    assert (answer.status, answer.json["state"]) == (200, "passed")


def test_cancel_reaches_the_attempt_that_follows_one_just_lost(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt is closed by somebody else between cancel's look and its own closing."""
    task_id = api.create().json["id"]
    close = Assignment.close

    def lost_first(self: Assignment, category: str, *more: Any, **facts: Any) -> bool:
        monkeypatch.setattr(Assignment, "close", close)
        Assignment.objects.get(pk=self.pk).close(Category.AGENT_LOST)
        return self.close(category, *more, **facts)

    monkeypatch.setattr(Assignment, "close", lost_first)

    answer = api.post(f"/api/v1/tasks/{task_id}/cancel")

    assert answer.json["state"] == "cancelled"
    assert [attempt["category"] for attempt in answer.json["attempts"]] == [
        "agent_lost",
        "cancelled",
    ]


def test_cancel_takes_no_fields(api: Api) -> None:
    task_id = api.create().json["id"]

    answer = api.post(f"/api/v1/tasks/{task_id}/cancel", {"reason": "no more"})

    assert (answer.status, list(answer.errors)) == (422, ["reason"])
    assert Task.objects.get().state == "queued"


# Webhooks -------------------------------------------------------------------------------------


@pytest.fixture
def hooked(api: Api) -> Api:
    ApiClient.objects.update(webhook_url="http://127.0.0.1:9/hooks", webhook_secret=b"x")
    return api


def test_webhooks_are_listed_by_their_state(hooked: Api) -> None:
    task_id = hooked.create().json["id"]
    hooked.post(f"/api/v1/tasks/{task_id}/cancel")
    other = hooked.create(order_index=2).json["id"]
    hooked.post(f"/api/v1/tasks/{other}/cancel")
    newest, oldest = Webhook.objects.order_by("-id")
    Webhook.objects.filter(pk=oldest.pk).update(
        failed_at=oldest.created_at, next_attempt_at=None, last_status=500, last_error="Answered."
    )

    def ids(path: str, **query: str) -> list[str]:
        return [one["id"] for one in hooked.get(path, **query).json["webhooks"]]

    assert ids("/api/v1/webhooks") == [str(newest.pk), str(oldest.pk)]
    assert ids("/api/v1/webhooks", state="failed") == [str(oldest.pk)]
    assert ids("/api/v1/webhooks", state="pending") == [str(newest.pk)]
    assert ids("/api/v1/webhooks", state="delivered") == []
    assert ids(f"/api/v1/tasks/{task_id}/webhooks") == [str(oldest.pk)]
    assert ids("/api/v1/webhooks", cursor=str(newest.pk)) == [str(oldest.pk)]
    [failed] = hooked.get("/api/v1/webhooks", state="failed").json["webhooks"]
    assert (failed["state"], failed["last_status"], failed["type"]) == (
        "failed",
        500,
        "task.cancelled",
    )
    assert (failed["sequence"], failed["payload"]["data"]["task_id"]) == (1, task_id)


def test_a_webhook_is_asked_for_again(hooked: Api) -> None:
    task_id = hooked.create().json["id"]
    hooked.post(f"/api/v1/tasks/{task_id}/cancel")
    webhook = Webhook.objects.get()
    Webhook.objects.update(failed_at=webhook.created_at, next_attempt_at=None, attempts=12)

    answer = hooked.post(f"/api/v1/webhooks/{webhook.pk}/redeliver")

    assert (answer.status, answer.json["state"], answer.json["attempts"]) == (200, "pending", 0)
    assert answer.json["next_attempt_at"] is not None


def test_a_webhook_of_another_client_is_not_there(hooked: Api) -> None:
    task_id = hooked.create().json["id"]
    hooked.post(f"/api/v1/tasks/{task_id}/cancel")
    other = Api(Client(), issue_key("other"))

    assert other.get("/api/v1/webhooks").json["webhooks"] == []
    answer = other.post(f"/api/v1/webhooks/{Webhook.objects.get().pk}/redeliver")
    assert (answer.status, list(answer.errors)) == (404, ["id"])
    assert hooked.post(f"/api/v1/webhooks/{NOBODY}/redeliver").status == 404


# The weight -----------------------------------------------------------------------------------


@pytest.fixture
def both(api: Api, settings: Settings) -> Api:
    """With an old and a new backend."""
    settings.BACKENDS = {"old": "dispatch.fake.ENTRY", "new": "dispatch.fake.ENTRY"}
    settings.ROLLOUT = {"old": "old", "new": "new"}
    backends.forget()
    return api


def test_before_anybody_set_a_weight_it_is_zero(both: Api) -> None:
    answer = both.get("/api/v1/rollout/weight").json

    assert (answer["weight"], answer["entry"], answer["configuration_version"]) == (0, None, None)
    assert both.get("/api/v1/rollout").json["rollout"] is None


def test_setting_the_weight_is_kept_with_who_and_why(both: Api) -> None:
    answer = both.post("/api/v1/rollout/weight", {"weight": 2500, "reason": "first step"})

    entry = TrafficSplit.objects.get()
    assert (answer.status, answer.json["weight"], answer.json["percent"]) == (201, 2500, 2.5)
    assert answer.json["configuration_version"] == entry.pk
    assert (entry.actor, entry.actor_kind, entry.reason) == ("rails: test", "token", "first step")
    assert AuditEntry.objects.get().action == "weight.set"
    assert both.get("/api/v1/rollout/weight").json == answer.json


def test_every_weight_stays_in_the_history(both: Api) -> None:
    for weight in (0, 50_000, 10_000):
        both.post("/api/v1/rollout/weight", {"weight": weight, "reason": f"to {weight}"})

    answer = both.get("/api/v1/rollout").json

    assert [entry["weight"] for entry in answer["history"]] == [10_000, 50_000, 0]
    assert answer["weight"] == 10_000
    assert answer["rollout"]["salt"] == Rollout.objects.get().salt
    assert answer["backends"] == ["old", "new"]


def test_the_weight_decides_new_suite_runs_only(both: Api) -> None:
    both.create(order_index=1)
    both.post("/api/v1/rollout/weight", {"weight": 100_000, "reason": "all"})

    assert both.create(order_index=2).json["backend"] == "old"
    assert both.create(suite_run_id="later").json["backend"] == "new"


def test_the_same_key_sets_the_weight_once(both: Api) -> None:
    for _ in range(2):
        body = {"weight": 1, "reason": "x"}
        answer = both.post("/api/v1/rollout/weight", body, Idempotency_Key="one")
        assert answer.status == 201

    assert TrafficSplit.objects.count() == 1
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"weight": 1}, "reason"),
        ({"weight": 1, "reason": ""}, "reason"),
        ({"weight": 1, "reason": " \n"}, "reason"),
        ({"weight": 1, "reason": "x" * 2001}, "reason"),
        ({"reason": "x"}, "weight"),
        ({"weight": -1, "reason": "x"}, "weight"),
        ({"weight": 100_001, "reason": "x"}, "weight"),
        ({"weight": 0.5, "reason": "x"}, "weight"),
        ({"weight": "1", "reason": "x"}, "weight"),
        ({"weight": True, "reason": "x"}, "weight"),
        ({"weight": 1, "reason": "x", "actor": "me"}, "actor"),
    ],
)
def test_a_bad_weight_is_refused_by_name(both: Api, body: dict[str, Any], field: str) -> None:
    answer = both.post("/api/v1/rollout/weight", body)

    assert (answer.status, list(answer.errors)) == (422, [field])
    assert not TrafficSplit.objects.exists()


def test_a_weight_for_a_backend_that_is_not_there_is_refused(api: Api) -> None:
    answer = api.post("/api/v1/rollout/weight", {"weight": 1, "reason": "x"})

    assert (answer.status, list(answer.errors)) == (422, ["weight"])
    assert not Rollout.objects.exists()


def test_a_reason_may_have_lines(both: Api) -> None:
    body = {"weight": 1, "reason": "\n\nfirst\nsecond"}

    assert both.post("/api/v1/rollout/weight", body).status == 201
