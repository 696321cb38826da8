"""What follows an end: again where it was, elsewhere once, larger once, or nothing."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from dispatch import backends
from dispatch.fake import FakeBackend
from dispatch.models import Assignment, Task
from dispatch.outcomes import OUTCOMES, Again, Category
from tests.factories import make_assignment, make_suite_run

pytestmark = pytest.mark.django_db

ELSEWHERE = sorted(name for name, outcome in OUTCOMES.items() if outcome.elsewhere)
HERE_AGAIN = sorted(
    name for name, one in OUTCOMES.items() if one.again == Again.YES and not one.elsewhere
)
FINAL = sorted(name for name, outcome in OUTCOMES.items() if outcome.again == Again.NO)


@pytest.fixture(autouse=True)
def two_backends(settings: Settings) -> Iterator[None]:
    settings.BACKENDS = {
        "old": "dispatch.fake.ENTRY",
        "new": "tests.dispatch.other_backend.ENTRY",
    }
    settings.ROLLOUT = {"old": "old", "new": "new"}
    backends.forget()
    yield
    backends.forget()


def on_new() -> Assignment:
    return make_assignment(make_suite_run(backend="new"))


def following(assignment: Assignment) -> Assignment | None:
    return Assignment.objects.filter(task=assignment.task, closed_at=None).first()


def end(assignment: Assignment, category: str) -> Assignment | None:
    Assignment.by_id(assignment.pk).close(category)
    return following(assignment)


@pytest.mark.parametrize("category", ELSEWHERE)
def test_an_end_of_the_backend_before_the_claim_goes_elsewhere(category: str) -> None:
    assignment = on_new()
    after = end(assignment, category)
    assert after is not None and (after.backend, after.number) == ("old", 2)
    assert Task.objects.get(pk=assignment.task_id).fell_back_at is not None
    assert Assignment.by_id(assignment.pk).backend == "new", "it counts against its own backend"


@pytest.mark.parametrize("category", ELSEWHERE)
def test_after_the_claim_it_stays_where_it_was(category: str) -> None:
    assignment = on_new()
    assignment.place("there")
    assignment.claim("pod-1")
    after = end(assignment, category)
    expected = None if OUTCOMES[category].again == Again.ELSEWHERE else "new"
    assert (after and after.backend) == expected


def test_a_task_falls_back_once() -> None:
    assignment = on_new()
    second = end(assignment, Category.UNSCHEDULABLE)
    assert second is not None
    third = end(second, Category.API_UNAVAILABLE)
    assert third is not None and third.backend == "old"


def test_what_neither_backend_can_run_ends_errored_with_the_message() -> None:
    assignment = on_new()
    second = end(assignment, Category.REJECTED)
    assert second is not None
    Assignment.by_id(second.pk).close(Category.REJECTED, "web.privileged: take it out")
    task = Task.objects.get(pk=assignment.task_id)
    assert (task.state, task.sentence) == ("errored", "web.privileged: take it out")


def test_a_backend_that_could_not_run_it_is_no_refuge() -> None:
    refusing = backends.get("old")
    assert isinstance(refusing, FakeBackend)
    refusing.refusals = ("command: leave it out",)
    after = end(on_new(), Category.UNSCHEDULABLE)
    assert after is not None and after.backend == "new"


def test_with_the_budget_used_up_it_stays_where_it_was(settings: Settings) -> None:
    settings.FALLBACKS_PER_HOUR = 1
    first, second = on_new(), on_new()
    one, two = end(first, Category.QUOTA), end(second, Category.QUOTA)
    assert one is not None and two is not None
    assert (one.backend, two.backend) == ("old", "new")


def test_a_single_backend_keeps_it(settings: Settings) -> None:
    settings.BACKENDS = {"new": "tests.dispatch.other_backend.ENTRY"}
    backends.forget()
    after = end(on_new(), Category.UNSCHEDULABLE)
    assert after is not None and after.backend == "new"


@pytest.mark.parametrize("category", HERE_AGAIN)
def test_a_lost_attempt_is_made_again_where_it_was(category: str) -> None:
    after = end(on_new(), category)
    assert after is not None and (after.backend, after.size_class) == ("new", 0)


@pytest.mark.parametrize("category", FINAL)
def test_what_is_decided_is_not_made_again(category: str) -> None:
    assignment = on_new()
    assert end(assignment, category) is None
    assert Task.objects.get(pk=assignment.task_id).state == OUTCOMES[category].task


@pytest.mark.parametrize("category", [Category.TEST_OOM, Category.BUILD_OOM])
def test_out_of_memory_is_made_again_once_in_a_larger_class(category: str) -> None:
    assignment = on_new()
    larger = end(assignment, category)
    assert larger is not None and larger.size_class == 1
    assert end(larger, category) is None
    assert Task.objects.get(pk=assignment.task_id).state == "failed"
