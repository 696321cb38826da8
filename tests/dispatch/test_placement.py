"""Tasks without a backend are not lost: they wait, and are decided when one is there."""

import pytest
from pytest_django import Settings

from dispatch import backends
from dispatch.models import Assignment, SuiteRun
from dispatch.placement import rehome
from tests.dispatch.controller.conftest import fake as fake  # noqa: F401
from tests.factories import make_assignment, make_suite_run

pytestmark = pytest.mark.django_db


def test_tasks_accepted_without_a_backend_get_the_first_one(
    settings: Settings, request: pytest.FixtureRequest
) -> None:
    settings.BACKENDS = {}
    assignment = make_assignment(make_suite_run(backend="", rule="none"))
    rehome()
    assert SuiteRun.objects.get().backend == ""
    request.getfixturevalue("fake")
    rehome()
    assert (SuiteRun.objects.get().backend, SuiteRun.objects.get().rule) == ("fake", "only")
    assert Assignment.by_id(assignment.pk).backend == "fake"


@pytest.mark.usefixtures("fake")
def test_a_queued_one_of_a_backend_that_is_gone_moves_and_says_so() -> None:
    assignment = make_assignment(make_suite_run(backend="droplets"))
    assignment.wait_for("an image", "waiting for an image of that backend")
    rehome()
    row = Assignment.by_id(assignment.pk)
    assert (row.backend, row.waits_for, row.pending) == ("fake", "", "")
    event = assignment.task.events.order_by("-seq")[0]
    assert (event.kind, event.detail["left"]) == ("task.rehomed", "droplets")


@pytest.mark.usefixtures("fake")
def test_a_running_one_of_a_backend_that_is_gone_is_tried_again_elsewhere() -> None:
    assignment = make_assignment(make_suite_run(backend="droplets"))
    assignment.place("worker-1")
    rehome()
    rehome()
    following = Assignment.objects.get(task=assignment.task, closed_at=None)
    assert (following.number, following.backend) == (2, "fake")


@pytest.mark.usefixtures("fake")
def test_what_has_a_backend_is_left_alone() -> None:
    assignment = make_assignment(make_suite_run(backend="fake"))
    rehome()
    assert assignment.task.events.count() == 1
    assert backends.entries().keys() == {"fake"}


@pytest.mark.usefixtures("fake")
def test_one_accepted_while_its_suite_run_was_being_decided_follows_it() -> None:
    """Or left behind by a controller that ended between the two."""
    late = make_assignment(make_suite_run(backend="fake"))
    Assignment.objects.filter(pk=late.pk).update(backend="")
    rehome()
    assert Assignment.by_id(late.pk).backend == "fake"
