from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dispatch.models import Assignment, BackendStatus, Lease, LoopBeat, Webhook
from dispatch.outcomes import Category
from dispatch.rollout import Actor, set_weight
from tests.controlplane.pages import text_of, to_the_minute
from tests.controlplane.seeding import loop_beats
from tests.factories import make_assignment, make_client, make_suite_run

pytestmark = pytest.mark.django_db


def overview(console: Client, **headers: str) -> str:
    response = console.get(reverse("console:overview"), headers=headers)
    assert response.status_code == 200
    return text_of(response)


def failed_webhook() -> Webhook:
    client = make_client(webhook_url="http://127.0.0.1:1/")
    attempt = make_assignment(client=client)
    attempt.place("somewhere")
    attempt.claim("boot")
    webhook = Webhook.objects.get()
    Webhook.objects.filter(pk=webhook.pk).update(
        failed_at=timezone.now(), next_attempt_at=None, attempts=12, last_error="Gone fishing"
    )
    return webhook


def test_it_counts_what_each_backend_has(console: Client) -> None:
    make_assignment(make_suite_run(backend="droplets"))
    for backend in ("droplets", "kubernetes"):
        attempt = make_assignment(make_suite_run(backend=backend))
        attempt.place(f"at {backend}")
    attempt = make_assignment(make_suite_run(backend="kubernetes"))
    attempt.place("elsewhere")
    attempt.claim("boot")

    text = overview(console)

    assert "Queued 1 Assigned 1 Running 0" in text
    assert "Queued 0 Assigned 1 Running 1" in text


def test_it_counts_the_verdicts_of_the_last_hour_alone(console: Client) -> None:
    for category in (Category.PASSED, Category.PASSED, Category.FAILED, Category.REJECTED):
        attempt = make_assignment()
        attempt.place(str(attempt.pk))
        attempt.claim("boot")
        attempt.close(category)
    old = make_assignment()
    old.close(Category.PASSED)
    Assignment.objects.filter(pk=old.pk).update(closed_at=timezone.now() - timedelta(hours=2))
    assert "passed 2 ✗ failed 1 ! errored 1 ⊘ cancelled 0" in overview(console)


def test_it_says_why_a_backend_is_unavailable_and_when_it_is_tried_again(console: Client) -> None:
    now = timezone.now()
    BackendStatus.objects.create(
        name="droplets", unavailable_since=now - timedelta(minutes=3), message="429: slow down.",
        retry_at=now + timedelta(seconds=30),
    )  # fmt: skip
    text = to_the_minute(overview(console))
    assert "Unavailable for 3 min: 429: slow down. · Next try" in text


def test_a_backend_that_is_not_configured_is_marked(console: Client, settings: Any) -> None:
    settings.BACKENDS = {"droplets": "dispatch.fake.ENTRY"}
    assert "Kubernetes ⊘ not configured" in overview(console)


def test_it_says_that_nobody_places_tasks(console: Client) -> None:
    assert "none leads" in overview(console)
    Lease.take("controller", "host:1:aa", 30)
    text = overview(console)
    assert "host:1:aa" in text and "none leads" not in text


def test_a_loop_that_is_late_or_fails_is_marked(console: Client) -> None:
    loop_beats()
    LoopBeat.record("timeouts", every=1, error="RuntimeError: the sky fell")
    LoopBeat.objects.filter(name="rehome").update(at=timezone.now() - timedelta(minutes=9))
    text = to_the_minute(overview(console))
    assert "timeouts ! error" in text and "RuntimeError: the sky fell" in text
    assert "rehome ! late 9 min ago" in text
    assert "webhooks ✓ ok" in text


def test_a_loop_that_never_ran_is_shown(console: Client) -> None:
    assert "place droplets ! late never" in overview(console)


def test_tasks_that_wait_for_any_backend_are_told_of(console: Client) -> None:
    make_assignment(make_suite_run(backend="", rule="none"))
    assert "1 Task waits for a backend" in overview(console)


def test_it_shows_the_weight(console: Client) -> None:
    set_weight(12_345, actor=Actor(name="x", kind="person"), reason="try")
    assert "Weight 12.345 % of new suite runs go to kubernetes" in overview(console)


def test_a_failed_webhook_is_shown_and_sent_again_on_request(console: Client) -> None:
    webhook = failed_webhook()
    text = overview(console)
    assert "1 failed" in text and "Gone fishing" in text and "after 12 tries" in text

    answer = console.post(reverse("console:redeliver", args=[webhook.pk]), follow=True)

    assert "task.running (number 1) will be sent again" in text_of(answer)
    webhook.refresh_from_db()
    assert (webhook.failed_at, webhook.attempts) == (None, 0)
    assert webhook.next_attempt_at is not None
    assert "none failed" in overview(console)


def test_sent_again_from_a_task_s_page_one_stays_there(console: Client) -> None:
    webhook = failed_webhook()
    url = reverse("console:redeliver", args=[webhook.pk])
    answer = console.post(url, {"back": "task"})
    assert answer["Location"] == reverse("console:task", args=[webhook.task_id])


def test_polling_gives_the_changing_part_alone(console: Client) -> None:
    response = console.get("/", headers={"HX-Request": "true"})
    assert b"<html" not in response.content and b"Queued" in response.content
    assert "HX-Request" in response["Vary"]


def test_it_asks_the_database_a_bounded_number_of_questions(
    console: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        make_assignment().close(Category.PASSED)
        make_assignment()
    with django_assert_max_num_queries(20):
        overview(console)


def test_it_counts_the_three_most_frequent_reasons_to_wait(console: Client) -> None:
    for reason in ("no room", "no room", "pulling", "pulling", "pulling", "quota", "quota", "rare"):
        make_assignment(make_suite_run(backend="kubernetes")).waits(reason)
    text = overview(console)
    assert "3 × pulling the first for" in text and "2 × no room" in text and "2 × quota" in text
    assert "rare" not in text


def test_it_counts_the_fallbacks_of_the_last_hour_by_cause(console: Client, settings: Any) -> None:
    assert "went to the other backend" not in overview(console)
    settings.FALLBACKS_PER_HOUR = 4
    for category in (Category.QUOTA, Category.QUOTA, Category.UNSCHEDULABLE):
        attempt = make_assignment(make_suite_run(backend="kubernetes"))
        attempt.place(str(attempt.pk))
        attempt.close(category)
    text = overview(console)
    assert "3 Tasks went to the other backend in the last hour, of 4 that may." in text
    assert "2 × from kubernetes to droplets: quota; 1 × from kubernetes to droplets" in text
    settings.FALLBACKS_PER_HOUR = 3
    assert "the budget of 3 is used up" in overview(console)
