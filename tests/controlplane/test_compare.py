from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from controlplane.console import compare
from dispatch.models import Assignment, TrafficSplit
from dispatch.outcomes import Category
from dispatch.rollout import Actor, set_weight
from tests.controlplane.pages import text_of
from tests.controlplane.seeding import make_run, seed_day
from tests.factories import make_assignment, make_client, make_suite_run

pytestmark = pytest.mark.django_db
MARIA = Actor(name="maria", kind="person")


def page(console: Client, **query: str) -> Any:
    return console.get(reverse("console:comparison"), query)


def set_at(weight: int, hours_ago: float, reason: str) -> None:
    split = set_weight(weight, actor=MARIA, reason=reason)
    moment = timezone.now() - timedelta(hours=hours_ago)
    TrafficSplit.objects.filter(pk=split.pk).update(at=moment)


def local(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%dT%H:%M:%S}"


# The figures ----------------------------------------------------------------------------------


def test_it_shows_both_backends_side_by_side(console: Client) -> None:
    seed_day()
    response = page(console, window="hour")
    lines = [line for _, line in response.context["lines"]]
    assert [line.backend for line in lines] == ["droplets", "kubernetes"]
    assert sum(line.tasks for line in lines) == 16
    assert lines[0].cost_per_task is not None
    text = text_of(response)
    assert f"Tasks {lines[0].tasks} {lines[1].tasks} ✓ passed" in text
    assert f"${lines[0].cost_per_task:.4f}" in text


def test_it_shows_every_phase_with_its_median_and_how_many_there_were(console: Client) -> None:
    seed_day()
    response = page(console, window="hour")
    text = text_of(response)
    line = response.context["lines"][0][1]
    for name in (
        *("queued", "starting", "cloning", "building", "services", "preparing", "testing"),
        *("finishing", "releasing"),
    ):
        assert name in text
    found = line.phases["building"]
    assert f"building building the image {found.p50:.1f} s too few {found.n}" in text
    for words in ("Queue wait", "Run", "Total"):
        assert words in text


def test_a_p95_of_few_values_is_not_shown_and_one_of_enough_is(console: Client) -> None:
    client = make_client()
    for number in range(76):
        make_run(client, number, age=timedelta(minutes=10))
    Assignment.objects.update(backend="droplets")
    text = text_of(page(console, window="hour"))
    found = next(one for one in compare.comparison.summary(*_hour()) if one.backend == "droplets")
    assert not found.phases["building"].few
    assert f"{found.phases['building'].p95:.1f} s 76" in text


def _hour() -> tuple[datetime, datetime]:
    return timezone.now() - timedelta(hours=1), timezone.now()


def test_failures_are_counted_by_category_with_their_sentence(console: Client) -> None:
    for category in (Category.PASSED, Category.AGENT_LOST, Category.CANCELLED):
        attempt = make_assignment()
        attempt.place(str(attempt.pk))
        attempt.close(category)
    text = text_of(page(console, window="hour"))
    assert "agent lost The agent fell silent. 1 0" in text
    assert "First attempts without a verdict 50.0 % 1 of 2" in text


def test_fallbacks_are_counted_for_the_backend_that_was_left(console: Client) -> None:
    attempt = make_assignment(make_suite_run(backend="kubernetes"))
    attempt.place("task-1/uid")
    attempt.close(Category.UNSCHEDULABLE)
    text = text_of(page(console, window="hour"))
    assert "left it for the other backend 0 1" in text
    assert "unschedulable No node had room for the pod. 0 1" in text


def test_without_tasks_it_says_so(console: Client) -> None:
    text = text_of(page(console))
    assert "No Task ended in this time" in text
    assert "Phase by phase" not in text


def test_it_says_of_a_sample_that_it_is_one(
    console: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dispatch import measuring

    seed_day()
    monkeypatch.setattr(measuring, "MOST_MEASURED", 4)
    if measuring.connection.vendor == "postgresql":
        assert "one in" in text_of(page(console, window="hour"))
    else:
        assert "one in" not in text_of(page(console, window="hour"))


# The picture ----------------------------------------------------------------------------------


def test_the_weight_s_changes_are_marked_and_told(console: Client) -> None:
    set_at(10_000, 30, "before")
    seed_day()
    TrafficSplit.objects.filter(reason__startswith="A week").update(
        at=timezone.now() - timedelta(minutes=20)
    )
    TrafficSplit.objects.filter(reason__startswith="Baseline").delete()
    response = page(console)
    content = response.content.decode()
    assert content.count('class="change"') == 2
    told = "10.000 % → 25.000 % by maria on"
    assert told in content
    text = text_of(response)
    assert "10.000 % → 25.000 % maria person A week of baseline looks good: a quarter" in text
    assert "before" not in text.replace("the one before", "")


def test_a_weight_that_did_not_change_is_named(console: Client) -> None:
    seed_day()
    TrafficSplit.objects.update(at=timezone.now() - timedelta(hours=2))
    text = text_of(page(console, window="hour"))
    assert "The weight did not change in this time: it was 25.000 %." in text


def test_the_picture_s_numbers_are_there_as_a_table(console: Client) -> None:
    seed_day()
    response = page(console, window="hour")
    buckets = response.context["buckets"]
    assert sum(bucket.ended for _, found in buckets for bucket in found) == 16
    assert "The same as a table" in text_of(response)
    content = response.content.decode()
    assert content.count("<svg") >= 4 and "<desc" in content
    assert 'src="http' not in content and 'href="http' not in content


def test_a_reason_in_the_picture_stays_text(console: Client) -> None:
    seed_day()
    set_weight(30_000, actor=MARIA, reason="</title><script>alert(1)</script>")
    assert b"<script>alert" not in page(console, window="hour").content


# The time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", ["", "century", "day"])
def test_an_unknown_time_is_the_last_day(console: Client, window: str) -> None:
    response = page(console, window=window)
    length = response.context["until"] - response.context["since"]
    assert length.total_seconds() == 86_400


def test_any_time_can_be_chosen_in_the_console_s_zone(console: Client, settings: Any) -> None:
    settings.CONSOLE_TIME_ZONE = "America/New_York"
    response = page(console, **{"from": "2026-08-07T08:00", "to": "2026-08-07T09:30"})
    assert response.status_code == 200
    assert response.context["since"].isoformat() == "2026-08-07T08:00:00-04:00"
    assert response.context["until"].isoformat() == "2026-08-07T09:30:00-04:00"
    assert "from 2026-08-07 08:00:00 to 2026-08-07 09:30:00" in text_of(response)
    assert response.context["window"] == ""


def test_without_an_end_it_is_now(console: Client) -> None:
    seed_day()
    since = timezone.now() - timedelta(minutes=30)
    response = page(console, **{"from": local(since), "to": ""})
    assert timezone.now() - response.context["until"] < timedelta(seconds=30)
    assert 0 < sum(line.tasks for _, line in response.context["lines"]) < 16


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"from": "yesterday"}, "from", "This is no time"),
        ({"from": "2026-13-40T12:00"}, "from", "This is no time"),
        ({"from": "2026-08-07T08:00", "to": "soon"}, "to", "This is no time"),
        ({"to": "2026-08-07T08:00"}, "from", "Say where the time begins"),
        ({"from": "2026-08-07T08:00", "to": "2026-08-07T08:00"}, "to", "not after the beginning"),
        ({"from": "2026-08-07T08:00", "to": "2026-08-06T08:00"}, "to", "not after the beginning"),
        ({"from": "2999-01-01T00:00"}, "from", "still to come"),
        ({"from": "2020-01-01T00:00", "to": "2026-08-07T08:00"}, "from", "366 days are the most"),
    ],
)
def test_a_time_that_cannot_be_used_is_refused_at_its_field(
    console: Client, given: dict[str, str], field: str, words: str
) -> None:
    response = page(console, **given)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert words in text_of(response)
    assert "Phase by phase" not in text_of(response)


def test_it_offers_the_time_since_the_last_change(console: Client) -> None:
    assert "Since the last change" not in text_of(page(console))
    set_at(10_000, 3, "up")
    response = page(console)
    assert "Since the last change of weight" in text_of(response)
    followed = console.get(reverse("console:comparison") + response.context["since_change"])
    assert followed.status_code == 200
    (change,) = followed.context["changes"]
    assert change.entry.weight == 10_000


def test_it_asks_the_database_a_bounded_number_of_questions(
    console: Client, django_assert_max_num_queries: Any
) -> None:
    seed_day()
    with django_assert_max_num_queries(24):
        page(console, window="hour")
