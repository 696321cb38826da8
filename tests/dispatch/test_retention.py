from datetime import timedelta
from typing import Any

import pytest
from django.db import models
from django.utils import timezone
from pytest_django import Settings

from dispatch import functions, retention
from dispatch.models import (
    Artifact,
    Assignment,
    IdempotencyKey,
    LogChunk,
    LogStream,
    RefusedReport,
    ResultFile,
    TaskSecret,
    Webhook,
)
from dispatch.outcomes import Category
from tests.factories import make_assignment, make_client

pytestmark = pytest.mark.django_db
REPORTS = (LogStream, LogChunk, RefusedReport, ResultFile, Artifact)


@pytest.fixture(autouse=True)
def ten_days(settings: Settings) -> None:
    settings.RETENTION_DAYS = {"logs": 10, "results": 20, "webhooks": 10, "idempotency_keys": 2}


def reported(*, closed_days_ago: float | None) -> Assignment:
    """An Assignment with one of everything that is reported of it."""
    assignment = make_assignment()
    stream = LogStream.objects.create(assignment=assignment, name="test", length=4)
    LogChunk.objects.create(stream=stream, start=0, data=b"line")
    ResultFile.objects.create(assignment=assignment, name="a", data=b"{}", complete=False)
    Artifact.objects.create(assignment=assignment, name="a", content_type="a/b", data=b"x")
    at = ago(closed_days_ago or 100)
    RefusedReport.objects.create(assignment=assignment, kind="x", reason="x", body=b"", at=at)
    if closed_days_ago is not None:
        assignment.close(Category.PASSED)
        Assignment.objects.filter(pk=assignment.pk).update(closed_at=at)
    return assignment


def ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def left() -> dict[type[models.Model], int]:
    return {model: model._default_manager.count() for model in REPORTS}


def test_logs_go_first_and_results_later() -> None:
    reported(closed_days_ago=9)
    reported(closed_days_ago=11)
    reported(closed_days_ago=21)

    assert retention.apply(10)

    assert left() == {LogStream: 1, LogChunk: 1, RefusedReport: 1, ResultFile: 2, Artifact: 2}
    assert Assignment.objects.count() == 3


def test_what_a_running_task_has_reported_stays_whatever_its_age() -> None:
    reported(closed_days_ago=None)
    LogChunk.objects.update(at=ago(100))

    retention.apply(10)

    assert (LogChunk.objects.count(), ResultFile.objects.count()) == (1, 1)


def test_settled_webhooks_go_and_pending_ones_stay() -> None:
    task = make_assignment().task
    ApiClient = type(make_client())
    ApiClient.objects.update(webhook_url="http://127.0.0.1:1/")
    for _ in range(4):
        Webhook.enqueue(task.pk, "task.running")
    old_settled, old_pending, young_settled, _ = Webhook.objects.order_by("sequence")
    rows = Webhook.objects.filter(pk__in=[old_settled.pk, old_pending.pk])
    rows.update(created_at=ago(11))
    rows = Webhook.objects.filter(pk__in=[old_settled.pk, young_settled.pk])
    rows.update(next_attempt_at=None)

    retention.apply(10)

    assert [one.sequence for one in Webhook.objects.order_by("sequence")] == [2, 3, 4]
    Webhook.enqueue(task.pk, "task.passed")
    newest = Webhook.objects.order_by("sequence").last()
    assert newest is not None and newest.sequence == 5, "the numbers go on"


def test_idempotency_keys_are_forgotten() -> None:
    for text, days in (("old", 3), ("young", 1)):
        IdempotencyKey.objects.create(
            client=make_client(), key=text, fingerprint="x", created_at=ago(days)
        )

    retention.apply(10)

    assert [one.key for one in IdempotencyKey.objects.all()] == ["young"]


def test_secrets_of_ended_tasks_go_unless_an_agent_may_still_report() -> None:
    queued, reporting, over = make_assignment(), make_assignment(), make_assignment()
    for assignment in (queued, reporting, over):
        TaskSecret.objects.create(task=assignment.task, ciphertext=b"x")
    reporting.place("one")
    reporting.deliver()
    for assignment in (reporting, over):
        type(assignment.task).objects.filter(pk=assignment.task_id).update(state="passed")

    retention.apply(10)

    kept = set(TaskSecret.objects.values_list("task_id", flat=True))
    assert kept == {queued.task_id, reporting.task_id}


def test_it_stops_in_time_and_goes_on_in_a_function_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from django_q.models import OrmQ

    reported(closed_days_ago=30)
    assert not retention.apply(0)
    assert LogStream.objects.count() == 1

    monkeypatch.setattr(functions, "RETENTION_SECONDS", 0)
    functions.apply_retention()
    assert [row.task["func"] for row in OrmQ.objects.all()] == [
        "dispatch.functions.apply_retention"
    ]


def test_it_deletes_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        reported(closed_days_ago=30)

    assert retention.apply(10)
    assert not any(left().values())
