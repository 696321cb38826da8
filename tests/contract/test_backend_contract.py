"""The one contract suite: what `dispatch.backends.Backend` promises, over every backend."""

import pytest

from dispatch.backends import NoCapacity
from dispatch.models import Assignment
from dispatch.outcomes import Category
from dispatch.placement import spec_of
from tests.contract.subjects import Subject, all_subjects
from tests.factories import make_assignment, make_suite_run

pytestmark = pytest.mark.django_db


@pytest.fixture(params=all_subjects())
def subject(request: pytest.FixtureRequest) -> Subject:
    made: Subject = request.param()
    return made


def queued(subject: Subject) -> Assignment:
    return make_assignment(make_suite_run(backend=subject.name, **subject.suite_run))


def start(subject: Subject, assignment: Assignment) -> str:
    placement = subject.backend.start(assignment)
    if not placement.recorded:
        assignment.place(placement.external_id)
    return placement.external_id


def sees(subject: Subject, assignment: Assignment) -> bool:
    (sighting,) = subject.backend.observe([Assignment.by_id(assignment.pk)])
    assert sighting.assignment_id == assignment.pk
    return sighting.holds


def test_eligible_is_pure(subject: Subject, django_assert_num_queries: object) -> None:
    spec = spec_of(make_suite_run(**subject.suite_run), None, None)
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert subject.backend.eligible(spec) == subject.backend.eligible(spec)
        assert subject.backend.eligible(spec)


def test_start_has_no_room_where_there_is_none(subject: Subject) -> None:
    with pytest.raises(NoCapacity):
        subject.backend.start(queued(subject))


def test_start_places_and_the_backend_then_holds_it(subject: Subject) -> None:
    subject.grow(1)
    assignment = queued(subject)
    external_id = start(subject, assignment)
    assert Assignment.by_id(assignment.pk).external_id == external_id
    assert sees(subject, assignment)


def test_start_again_is_the_same_placement(subject: Subject) -> None:
    subject.grow(2)
    assignment = queued(subject)
    first = start(subject, assignment)
    assert start(subject, Assignment.by_id(assignment.pk)) == first
    assert subject.backend.capacity().in_use == 1


def test_start_never_brings_a_closed_one_to_life(subject: Subject) -> None:
    subject.grow(1)
    assignment = queued(subject)
    Assignment.by_id(assignment.pk).close(Category.CANCELLED)
    with pytest.raises(NoCapacity):
        subject.backend.start(assignment)
    assert not sees(subject, assignment)


def test_two_assignments_never_share_a_place(subject: Subject) -> None:
    subject.grow(2)
    places = {start(subject, queued(subject)) for _ in range(2)}
    assert len(places) == 2
    with pytest.raises(NoCapacity):
        subject.backend.start(queued(subject))


def test_capacity_counts_what_is_free(subject: Subject) -> None:
    subject.grow(3)
    start(subject, queued(subject))
    capacity = subject.backend.capacity()
    assert (capacity.free, capacity.in_use) == (2, 1)


@pytest.mark.parametrize("delivered", [False, True])
def test_stop_frees_what_is_held_and_may_be_repeated(subject: Subject, delivered: bool) -> None:
    subject.grow(1)
    assignment = queued(subject)
    start(subject, assignment)
    assignment = Assignment.by_id(assignment.pk)
    if delivered:
        assignment.deliver()
    assignment.close(Category.CANCELLED)
    Assignment.objects.filter(pk=assignment.pk).update(closed_at="2020-01-01T00:00:00Z")
    assignment = Assignment.by_id(assignment.pk)
    for _ in range(2):
        subject.backend.stop(assignment)
        subject.finish_stopping()
    assert not sees(subject, assignment)


def test_stop_of_one_that_was_never_started_is_success(subject: Subject) -> None:
    assignment = queued(subject)
    assignment.close(Category.CANCELLED)
    subject.backend.stop(assignment)
    assert not sees(subject, assignment)


def test_observe_writes_nothing_into_the_core(subject: Subject) -> None:
    subject.grow(1)
    assignment = queued(subject)
    start(subject, assignment)
    before = Assignment.objects.filter(pk=assignment.pk).values().get()
    sees(subject, assignment)
    assert Assignment.objects.filter(pk=assignment.pk).values().get() == before


def test_check_yields_findings_with_a_level(subject: Subject) -> None:
    assert {finding.level for finding in subject.backend.check()} <= {"ok", "warning", "error"}
