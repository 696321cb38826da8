"""From a refusal, or a pod that cannot start, to the other backend, by the loops' own steps."""

import pytest
from pytest_django import Settings

from dispatch.backends import Rejected
from dispatch.models import Assignment, Task, TaskEvent, Webhook
from dispatch.outcomes import OUTCOMES, Category
from tests.dispatch.controller.conftest import Pair, place, queued, reconcile
from tests.factories import make_client

pytestmark = pytest.mark.django_db(transaction=True)

CANNOT_START = sorted(
    category
    for category, outcome in OUTCOMES.items()
    if outcome.elsewhere and category not in (Category.REJECTED, Category.API_UNAVAILABLE)
)


def attempt(task: Task, number: int) -> Assignment:
    return Assignment.objects.get(task=task, number=number)


def fallbacks(task: Task) -> int:
    return TaskEvent.objects.filter(task=task, kind="task.fell_back").count()


@pytest.mark.parametrize("category", CANNOT_START)
def test_a_pod_that_cannot_start_sends_the_task_to_the_other_backend(
    pair: Pair, category: str
) -> None:
    assignment = queued(backend="new")
    task = assignment.task
    place("new")
    pair.new.ended[assignment.pk] = category
    reconcile("new")
    place("old")

    first, second = attempt(task, 1), attempt(task, 2)
    assert (first.backend, first.category) == ("new", category)
    assert (second.backend, second.external_id) == ("old", f"fake-{second.pk}")
    assert first.pk not in pair.new.held, "stopped in the same pass"
    reconcile("new")
    assert attempt(task, 1).released_at is not None
    assert fallbacks(task) == 1

    pair.old.ended[second.pk] = category
    reconcile("old")
    assert attempt(task, 3).backend == "old", "a Task falls back once"
    assert fallbacks(task) == 1


@pytest.mark.parametrize("category", CANNOT_START)
def test_after_the_agent_s_claim_it_is_tried_again_where_it_was(pair: Pair, category: str) -> None:
    assignment = queued(backend="new")
    place("new")
    Assignment.by_id(assignment.pk).claim("pod-1")
    pair.new.ended[assignment.pk] = category
    reconcile("new")
    assert attempt(assignment.task, 2).backend == "new"
    assert fallbacks(assignment.task) == 0


def test_one_that_is_claimed_after_the_reconciler_read_it_counts_as_claimed(pair: Pair) -> None:
    assignment = queued(backend="new")
    place("new")
    read_before = Assignment.by_id(assignment.pk)
    Assignment.by_id(assignment.pk).claim("pod-1")
    read_before.close(Category.POD_REFUSED)
    assert attempt(assignment.task, 2).backend == "new"


def test_a_refused_task_goes_to_the_other_backend_and_says_why(pair: Pair) -> None:
    make_client(webhook_url="http://127.0.0.1:1/")
    assignment = queued(backend="new")
    pair.new.refusal = Rejected("services.web.privileged: take it out")
    place("new")
    place("old")
    second = attempt(assignment.task, 2)
    assert (second.backend, second.external_id) == ("old", f"fake-{second.pk}")
    event = TaskEvent.objects.get(task=assignment.task, kind="task.fell_back")
    assert event.detail["because"] == "services.web.privileged: take it out"
    detail = Webhook.objects.get(kind="task.queued").payload["data"]["detail"]
    assert detail["next_backend"] == "old"


def test_a_refused_task_without_budget_ends_errored_and_says_so(
    pair: Pair, settings: Settings
) -> None:
    settings.FALLBACKS_PER_HOUR = 0
    assignment = queued(backend="new")
    pair.new.refusal = Rejected("services.web.privileged: take it out.")
    place("new")
    task = Task.objects.get(pk=assignment.task_id)
    assert (task.state, task.category) == ("errored", "rejected")
    assert task.sentence == (
        "services.web.privileged: take it out. It did not go to the other backend: the budget of "
        "0 fallbacks an hour (SWITCHYARD_FALLBACKS_PER_HOUR) is used up; there is some again "
        "within the hour."
    )
    assert attempt(task, 1).sentence == "services.web.privileged: take it out."


def test_a_refused_task_that_the_other_backend_cannot_run_ends_with_both_reasons(
    pair: Pair,
) -> None:
    assignment = queued(backend="new")
    pair.new.refusal = Rejected("services.web.privileged: take it out")
    pair.old.refusals = ("command: leave it out",)
    place("new")
    task = Task.objects.get(pk=assignment.task_id)
    assert (task.state, task.sentence) == (
        "errored",
        "services.web.privileged: take it out. It did not go to the other backend: old cannot run "
        "it: command: leave it out.",
    )


def test_one_that_stays_for_want_of_budget_says_so_in_its_story(
    pair: Pair, settings: Settings
) -> None:
    settings.FALLBACKS_PER_HOUR = 0
    assignment = queued(backend="new")
    place("new")
    pair.new.ended[assignment.pk] = Category.QUOTA
    reconcile("new")
    assert attempt(assignment.task, 2).backend == "new"
    event = TaskEvent.objects.filter(task=assignment.task, kind="task.queued").latest("seq")
    assert "the budget of 0 fallbacks an hour" in event.detail["stays"]
