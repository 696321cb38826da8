from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from dispatch import backends
from dispatch.backends import BackendEntry
from dispatch.fake import FakeBackend
from dispatch.models import Assignment, BackendStatus, Lease, LoopBeat, Webhook
from dispatch.outcomes import Category
from dispatch.rollout import Actor, set_weight
from tests.controlplane.seeding import loop_beats
from tests.factories import make_assignment, make_client, make_suite_run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("both_backends")]


def read() -> dict[tuple[str, ...], float]:
    """The metrics by name and the values of their labels, sorted by the labels' names."""
    response = Client().get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def test_it_counts_what_is_live_by_backend_and_state() -> None:
    for state in ("queued", "assigned", "running"):
        attempt = make_assignment(make_suite_run(backend="kubernetes"))
        if state != "queued":
            attempt.place(f"pod-{state}")
        if state == "running":
            attempt.claim("boot")
    ended = make_assignment()
    ended.close(Category.PASSED)

    found = read()

    for state in ("queued", "assigned", "running"):
        assert found["switchyard_tasks", "kubernetes", state] == 1
        assert found["switchyard_tasks", "droplets", state] == 0
    assert found["switchyard_assignments_open", "kubernetes"] == 2
    assert found["switchyard_assignments_open", "droplets"] == 1


def test_it_tells_how_long_the_oldest_waits() -> None:
    make_assignment()
    old = make_assignment()
    Assignment.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(minutes=5))
    found = read()
    assert found["switchyard_queue_oldest_seconds", "droplets"] == pytest.approx(300, abs=30)
    assert found["switchyard_queue_oldest_seconds", "kubernetes"] == 0


def test_it_counts_what_ended_in_the_last_hour_by_category() -> None:
    for category in (Category.PASSED, Category.PASSED, Category.AGENT_LOST):
        make_assignment().close(category)
    old = make_assignment()
    old.close(Category.FAILED)
    Assignment.objects.filter(pk=old.pk).update(closed_at=timezone.now() - timedelta(hours=2))
    found = read()
    name = "switchyard_assignments_ended_last_hour"
    assert found[name, "droplets", "passed"] == 2
    assert found[name, "droplets", "agent_lost"] == 1
    assert (name, "droplets", "failed") not in found


def test_it_tells_how_old_the_loops_and_the_lease_are() -> None:
    assert read()["switchyard_controller_lease_seconds",] == 0
    loop_beats()
    LoopBeat.objects.filter(name="rehome").update(at=timezone.now() - timedelta(minutes=9))
    Lease.take("controller", "host:1:aa", 30)
    found = read()
    assert found["switchyard_loop_age_seconds", "rehome"] == pytest.approx(540, abs=30)
    assert found["switchyard_loop_every_seconds", "rehome"] == 5
    assert found["switchyard_loop_troubled", "rehome"] == 1
    assert found["switchyard_loop_troubled", "ask for retention"] == 0
    assert found["switchyard_loop_troubled", "functions"] == 1
    assert found["switchyard_controller_leads", "host:1:aa"] == 1
    assert 0 < found["switchyard_controller_lease_seconds",] <= 30


def test_it_tells_for_how_long_a_backend_is_unavailable() -> None:
    since = timezone.now() - timedelta(minutes=2)
    BackendStatus.objects.create(name="droplets", unavailable_since=since)
    found = read()
    assert found["switchyard_backend_unavailable_seconds", "droplets"] == pytest.approx(120, abs=30)
    assert found["switchyard_backend_unavailable_seconds", "kubernetes"] == 0


def test_it_counts_webhooks_that_wait_and_that_failed() -> None:
    for _ in range(3):
        attempt = make_assignment(client=make_client(webhook_url="http://127.0.0.1:1/"))
        attempt.place(str(attempt.pk))
        attempt.claim("boot")
    failed = Webhook.objects.all()[0]
    rows = Webhook.objects.filter(pk=failed.pk)
    rows.update(failed_at=timezone.now(), next_attempt_at=None)
    found = read()
    assert found["switchyard_webhooks_waiting",] == 2
    assert found["switchyard_webhooks_failed",] == 1
    assert found["switchyard_webhooks_oldest_seconds",] > 0


def test_it_tells_the_weight() -> None:
    set_weight(12_500, actor=Actor(name="x", kind="person"), reason="try")
    found = read()
    assert found["switchyard_rollout_weight_ratio", "kubernetes"] == 0.125
    assert found["switchyard_rollout_weight_ratio", "droplets"] == 0.875


def _broken() -> Any:
    raise RuntimeError("no such table")


BROKEN = BackendEntry(title="Broken", backend=FakeBackend, metrics=_broken)


def test_a_backend_whose_metrics_fail_hides_no_others(settings: Any) -> None:
    settings.BACKENDS = {"droplets": f"{__name__}.BROKEN", "kubernetes": "dispatch.fake.ENTRY"}
    backends.forget()
    found = read()
    assert found["switchyard_backend_droplets_metrics_failed",] == 1
    assert found["switchyard_backend_kubernetes_metrics_failed",] == 0
    assert found["switchyard_tasks", "droplets", "queued"] == 0


def test_its_cost_does_not_grow_with_the_history(django_assert_max_num_queries: Any) -> None:
    for _ in range(10):
        make_assignment().close(Category.PASSED)
    with django_assert_max_num_queries(16):
        read()


def test_it_counts_the_fallbacks_of_the_last_hour_and_what_is_left(settings: Any) -> None:
    settings.FALLBACKS_PER_HOUR = 5
    attempt = make_assignment(make_suite_run(backend="kubernetes"))
    attempt.close(Category.REJECTED, "No such key.")

    found = read()

    # The labels by their names: category, from, to.
    moved = found["switchyard_fallbacks_last_hour", "rejected", "kubernetes", "droplets"]
    assert (moved, found["switchyard_fallback_budget_left",]) == (1, 4)
