"""Compares what the test commands wrote down with the rows: who ran, where, and how it ended."""

from collections.abc import Iterable
from uuid import UUID

from dispatch.models import Assignment
from dispatch.outcomes import Category
from tests.crash.journal import Place


def check(places: Iterable[Place]) -> None:
    """Raises AssertionError. A droplet or a pod runs the tests of one Assignment, once; no other
    place runs them; and no verdict came from anywhere else."""
    found: dict[UUID, Place] = {}
    for place in places:
        where = f"{place.kind} {place.id}"
        assert len(place.begun) == 1, f"{where} began {len(place.begun)} runs: {place.begun}"
        assert len(place.ended) <= 1, f"{where} ended {len(place.ended)} runs: {place.ended}"
        assignment = _assignment_of(place)
        assert str(assignment.task_id) == place.begun[0], f"{where} ran another Task"
        assert assignment.pk not in found, f"{assignment} ran in {where} and {found[assignment.pk]}"
        found[assignment.pk] = place
    for assignment in Assignment.objects.filter(category__in=(Category.PASSED, Category.FAILED)):
        ended = found[assignment.pk].ended if assignment.pk in found else []
        codes = [code for _, code in ended]
        wanted = [0] if assignment.category == Category.PASSED else [1]
        assert codes == wanted, f"{assignment} is {assignment.category}; its tests said {codes}"


def _assignment_of(place: Place) -> Assignment:
    """The only one that may have run there."""
    rows = Assignment.objects.filter(claimed_at__isnull=False)
    if place.kind == "pod":
        rows = rows.filter(backend="kubernetes", instance=place.id)
    else:
        rows = rows.filter(backend="droplets", external_id=_worker_of(place.id))
    found = list(rows)
    assert len(found) == 1, f"{place.kind} {place.id} ran {place.begun}; claimed by {found}"
    return found[0]


def _worker_of(droplet: str) -> str:
    from droplets.models import Worker

    (worker,) = Worker.objects.filter(provider_id=droplet)
    return str(worker.pk)
