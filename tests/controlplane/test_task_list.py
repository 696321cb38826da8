from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dispatch.models import Task
from dispatch.outcomes import Category
from tests.controlplane.pages import text_of
from tests.factories import make_assignment, make_suite_run, make_task

pytestmark = pytest.mark.django_db


def listed(console: Client, **filters: Any) -> set[Task]:
    response = console.get(reverse("console:tasks"), filters)
    assert response.status_code == 200
    return set(response.context["tasks"])


def test_it_filters_by_state(console: Client) -> None:
    queued, passed = make_task(), make_assignment()
    passed.close(Category.PASSED)
    assert listed(console, state="queued") == {queued}
    assert listed(console, state="passed") == {passed.task}
    assert listed(console, state="open") == {queued}
    assert listed(console) == {queued, passed.task}


def test_it_filters_by_any_backend_that_an_attempt_was_on(console: Client) -> None:
    moved, stayed = make_assignment(), make_task(make_suite_run(backend="droplets"))
    moved.close(Category.AGENT_LOST)
    moved.task.assignments.filter(number=2).update(backend="kubernetes")
    assert listed(console, backend="kubernetes") == {moved.task}
    assert listed(console, backend="droplets") == {moved.task, stayed}


def test_it_filters_by_account_and_by_a_part_of_the_repository(console: Client) -> None:
    shop = make_task(make_suite_run(account="acme", repository="acme/shop"))
    tool = make_task(make_suite_run(account="acme", repository="acme/tool"))
    other = make_task(make_suite_run(account="acme2", repository="other/shop"))
    assert listed(console, account="acme") == {shop, tool}
    assert listed(console, repository="Shop") == {shop, other}
    assert listed(console, account="acme", repository="shop") == {shop}


def test_the_search_finds_what_a_text_names(console: Client) -> None:
    suite_run = make_suite_run(suite_run_id="build-77", commit="cafe" * 10, branch="feature/vat-19")
    task, other = make_task(suite_run), make_task(make_suite_run(branch="main"))
    attempt = task.assignments.get()
    for text in ("build-77", "CAFEcafe", "vat-19", f" {task.pk} ", str(attempt.pk)):
        assert listed(console, text=text) == {task}, text
    assert listed(console, text="main") == {other}
    assert listed(console, text="nothing like it") == set()


def test_a_suite_run_id_that_looks_like_a_task_id_is_found(console: Client) -> None:
    name = "0b1e7a52-7c3b-4a55-9d6e-0a4c8f0f7a11"
    task = make_task(make_suite_run(suite_run_id=name))
    assert listed(console, text=name) == {task}


def test_pages_follow_each_other_without_gaps_or_repeats(
    console: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controlplane.console.task_list.PAGE", 3)
    suite_run = make_suite_run()
    tasks = [make_task(suite_run) for _ in range(8)]
    seen: list[Task] = []
    query = "?account=acme"
    while query:
        response = console.get(reverse("console:tasks") + query)
        seen += response.context["tasks"]
        query = response.context["older"]
        assert not query or "account=acme" in query
    assert seen == tasks[::-1]


def test_a_page_costs_the_same_number_of_questions_however_many_tasks(
    console: Client, django_assert_num_queries: Any
) -> None:
    make_task()
    listed(console)
    with django_assert_num_queries(3):
        listed(console)
    for _ in range(10):
        make_task()
    with django_assert_num_queries(3):
        listed(console)


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"state": "sleeping"}, "sleeping is not one of the available choices"),
        ({"text": "x" * 300}, "at most 200 characters"),
        ({"text": "\x00"}, "Null characters are not allowed"),
        ({"before": "xyz"}, "The page's address is damaged"),
    ],
)
def test_a_filter_that_cannot_be_used_is_explained(
    console: Client, filters: dict[str, str], words: str
) -> None:
    response = console.get(reverse("console:tasks"), filters)
    assert response.status_code == 200
    assert words in text_of(response)


def test_an_empty_list_says_what_to_do(console: Client) -> None:
    url = reverse("console:tasks")
    assert "No Task has arrived yet" in text_of(console.get(url))
    make_task()
    assert "No Task matches these filters" in text_of(console.get(url, {"account": "nobody"}))


def test_what_repositories_are_called_cannot_hurt(console: Client) -> None:
    make_task(make_suite_run(branch="<script>alert(1)</script>"))
    page = console.get(reverse("console:tasks")).content
    assert b"<script>alert" not in page and b"&lt;script&gt;alert" in page


def test_polling_gives_the_list_alone_and_older_pages_stand_still(console: Client) -> None:
    task = make_task()
    url = reverse("console:tasks")
    assert b"<html" not in console.get(url, headers={"HX-Request": "true"}).content
    assert b"hx-trigger" in console.get(url).content
    assert b"hx-trigger" not in console.get(url, {"before": str(task.pk)}).content
