from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dispatch.models import Artifact, Assignment, RefusedReport, Rollout, SuiteRun, Task
from dispatch.outcomes import Category
from dispatch.placement import DECISION_COLUMNS, adopt, decide_for, spec_of
from dispatch.rollout import Actor, set_weight
from tests.controlplane.pages import text_of, to_the_minute
from tests.controlplane.seeding import PIXEL, Day, seed_day
from tests.factories import make_assignment, make_suite_run, make_task

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def page_of(console: Client, task: Task, **query: str) -> Any:
    response = console.get(reverse("console:task", args=[task.pk]), query)
    assert response.status_code == 200
    return response


@pytest.fixture
def day(console: Client) -> Day:
    return seed_day()


def test_it_tells_what_a_person_wants_to_know(console: Client, day: Day) -> None:
    text = text_of(page_of(console, day.failed))
    for words in (
        "northwind/warehouse-api shard 1 of 4",
        "✗ failed The tests ran and did not all pass.",
        "testing 1 min 52 s",
        "Checkout charges VAT for customers in the EU ./spec/system/checkout_spec.rb:48",
        'expected to find text "119.00 €" in "Total 100.00 €"',
        "412 examples, 2 failures, 3 pending",
        "failures_checkout_vat.png",
        "2 task.failed ✗ given up",
    ):
        assert words in text


def test_it_shows_every_attempt_with_its_own_bar(console: Client, day: Day) -> None:
    response = page_of(console, day.lost)
    text = text_of(response)
    assert "1 • agent lost" in text and "2 ✓ passed" in text
    assert len(response.context["timeline"].bars) == 2
    assert "attempt 2" in text


def test_what_tests_reported_cannot_hurt(console: Client, day: Day) -> None:
    page = page_of(console, day.failed).content
    assert b"<script>alert" not in page and b"&lt;script&gt;alert(1)" in page


def test_a_task_that_goes_on_is_polled_and_one_that_is_settled_is_not(
    console: Client, day: Day
) -> None:
    assert b'hx-trigger="every 2s"' in page_of(console, day.running).content
    assert b'hx-trigger="every 2s"' not in page_of(console, day.passed).content


def test_the_page_is_loaded_whole_once_the_task_has_settled(console: Client, day: Day) -> None:
    url = reverse("console:task", args=[day.running.pk])
    assert "HX-Refresh" not in console.get(url, headers=HTMX)
    attempt = day.running.assignments.get()
    attempt.close(Category.PASSED)
    assert "HX-Refresh" not in console.get(url, headers=HTMX)
    attempt.release()
    assert console.get(url, headers=HTMX)["HX-Refresh"] == "true"


def test_the_log_to_look_at_first_is_the_tests_and_any_other_can_be_chosen(
    console: Client, day: Day
) -> None:
    assert page_of(console, day.failed).context["excerpt"].stream.name == "test"
    assert "bundle install" in text_of(page_of(console, day.failed, log="1:build"))
    assert page_of(console, day.failed, log="9:none").context["excerpt"].stream.name == "test"


def test_without_reports_it_says_so(console: Client) -> None:
    text = text_of(page_of(console, make_task()))
    assert "No log has arrived yet." in text and "No results file has arrived yet." in text


# Why here? ------------------------------------------------------------------------------------


def routed(suite_run_id: str = "build-1") -> SuiteRun:
    suite_run = make_suite_run(suite_run_id=suite_run_id)
    adopt(suite_run, decide_for(suite_run, spec_of(suite_run, None, None)))
    suite_run.save(update_fields=DECISION_COLUMNS)
    return suite_run


def test_a_decision_by_hash_is_told_with_everything_that_made_it(console: Client) -> None:
    entry = set_weight(25_000, actor=Actor(name="maria", kind="person"), reason="A quarter")
    Rollout.objects.update(salt="r1")
    suite_run = routed("build-1")

    text = text_of(page_of(console, make_task(suite_run)))

    assert "Its suite run was sent to droplets by the rule hash" in text
    assert "Bucket 83.733 % is not below the weight of 25.000 %" in text
    assert "set by maria" in text and "“A quarter”" in text
    assert f"Configuration version {entry.pk}" in text and "Salt r1" in text
    assert "sha256 of r1:build-1 gives bucket 83733, hence droplets" in text


def test_a_decision_that_does_not_come_out_again_is_shown_up(console: Client) -> None:
    set_weight(25_000, actor=Actor(name="maria", kind="person"), reason="A quarter")
    suite_run = routed()
    SuiteRun.objects.update(bucket=(suite_run.bucket or 0) ^ 1)
    text = text_of(page_of(console, make_task(suite_run)))
    assert "something else comes out" in text and "bucket: stored" in text


def test_a_decision_without_a_choice_is_told_too(console: Client, settings: Any) -> None:
    settings.BACKENDS = {"droplets": "dispatch.fake.ENTRY"}
    text = text_of(page_of(console, make_task(routed())))
    assert "Not both backends of the Rollout were configured" in text
    assert "the same comes out again" in text


def test_a_task_that_waits_for_a_backend_says_so(console: Client) -> None:
    task = make_task(make_suite_run(backend="", rule=""))
    assert "No backend was configured when it arrived" in text_of(page_of(console, task))


# Cancel ---------------------------------------------------------------------------------------


def test_cancelling_asks_first_and_then_ends_the_task(console: Client) -> None:
    task = make_task()
    url = reverse("console:cancel", args=[task.pk])
    assert "Cancel this Task?" in text_of(console.get(url))
    task.refresh_from_db()
    assert task.state == "queued"

    answer = console.post(url, follow=True)

    task.refresh_from_db()
    assert task.state == "cancelled"
    assert task.events.get(kind="task.cancelled").detail["actor"] == "maria"
    assert "The Task is cancelled" in text_of(answer)


def test_a_task_that_has_ended_cannot_be_cancelled(console: Client) -> None:
    attempt = make_assignment()
    attempt.close(Category.PASSED)
    url = reverse("console:cancel", args=[attempt.task_id])
    assert "It has ended already" in text_of(console.get(url))
    answer = console.post(url, follow=True)
    assert "ended before it could be cancelled" in text_of(answer)
    assert Task.objects.get().state == "passed"


# What agents uploaded -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "shown", "disposition"),
    [
        ("image/png", "image/png", "inline"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
        ("text/html", "application/octet-stream", "attachment"),
    ],
)
def test_only_pictures_are_shown_anything_else_is_saved(
    console: Client, content_type: str, shown: str, disposition: str
) -> None:
    attempt = make_assignment()
    artifact = Artifact.objects.create(
        assignment=attempt, name='a"b\n.png', content_type=content_type, data=PIXEL
    )
    answer = console.get(reverse("console:artifact", args=[attempt.task_id, artifact.pk]))
    assert answer.content == PIXEL
    assert answer["Content-Type"] == shown
    assert answer["Content-Disposition"] == f'{disposition}; filename="a_b_.png"'
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_refused_reports_are_listed(console: Client) -> None:
    attempt = make_assignment()
    RefusedReport.objects.create(
        assignment=attempt, kind="results", reason="a later attempt exists", body=b"secret body"
    )
    text = text_of(page_of(console, attempt.task))
    assert "results a later attempt exists" in text and "secret body" not in text


def test_it_says_that_it_went_to_the_other_backend_and_why(console: Client) -> None:
    attempt = make_assignment(make_suite_run(backend="kubernetes"))
    attempt.place("task-1/uid")
    attempt.close(Category.UNSCHEDULABLE, "0/3 nodes are available: 3 Insufficient cpu.")
    text = text_of(console.get(reverse("console:task", args=[attempt.task_id])))
    assert (
        "It went from kubernetes to droplets because attempt 1 ended as unschedulable: "
        "0/3 nodes are available: 3 Insufficient cpu." in text
    )


def test_a_second_attempt_on_the_same_backend_is_no_fallback(console: Client) -> None:
    attempt = make_assignment()
    attempt.place("somewhere")
    attempt.close(Category.DROPLET_LOST)
    text = text_of(console.get(reverse("console:task", args=[attempt.task_id])))
    assert "It went from" not in text


def test_it_says_what_the_live_attempt_waits_for_and_since_when(console: Client) -> None:
    attempt = make_assignment(make_suite_run(backend="kubernetes"))
    attempt.waits("0/3 nodes are available")
    since = timezone.now() - timedelta(minutes=4)
    Assignment.objects.filter(pk=attempt.pk).update(pending_since=since)
    url = reverse("console:task", args=[attempt.task_id])
    text = to_the_minute(text_of(console.get(url)))
    assert "Attempt 1 waits on kubernetes for 4 min: 0/3 nodes are available" in text
    attempt.close(Category.CANCELLED)
    assert "waits on kubernetes" not in text_of(console.get(url))


def test_each_task_that_a_sentence_names_is_a_link(console: Client) -> None:
    attempt, other = make_assignment(make_suite_run(backend="kubernetes")), make_task()
    attempt.waits(f"<b>waiting</b> for the image that Task {other.pk} builds")
    page = page_of(console, attempt.task).content.decode()
    link = f'<a href="{reverse("console:task", args=[other.pk])}">Task {other.pk}</a>'
    assert f"&lt;b&gt;waiting&lt;/b&gt; for the image that {link} builds" in page
    attempt.close(Category.BUILD_FAILED, f"Task {other.pk} built the image for this one, too")
    page = page_of(console, attempt.task).content.decode()
    assert page.count(f"{link} built the image") == 2


def test_it_links_to_the_task_that_built_its_image(console: Client) -> None:
    builder, follower = make_assignment(), make_assignment()
    follower.place("somewhere", image_from=builder.pk)
    Assignment.objects.filter(pk=follower.pk).update(image_wait=timedelta(seconds=75))
    page = console.get(reverse("console:task", args=[follower.task_id]))
    assert "Runs the image that another Task built, after waiting 1 min 15 s for it." in text_of(
        page
    )
    assert reverse("console:task", args=[builder.task_id]) in page.content.decode()
