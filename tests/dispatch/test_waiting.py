"""Why Assignments wait on their backends, counted."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatch.ids import new_id
from dispatch.models import Assignment
from dispatch.outcomes import Category
from dispatch.waiting import WaitingReason, merged, reasons
from tests.factories import make_assignment

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def one(text: str, count: int = 1, minutes: int = 1) -> WaitingReason:
    return WaitingReason(text=text, count=count, since=NOW - timedelta(minutes=minutes))


def test_reasons_that_differ_in_names_alone_are_one_and_began_with_the_first() -> None:
    text = 'pods "task-{}-a1-{}" is forbidden'
    given = [one(text.format(new_id(), "x7k2p"), 2, 3), one(text.format(new_id(), "abcde"), 1, 9)]
    assert merged(given) == [one('pods "…" is forbidden', 3, 9)]


def test_other_numbers_tell_reasons_apart() -> None:
    given = [
        one("0/3 nodes are available"),
        one("0/4 nodes are available"),
        one("1.2.3.4: refused"),
    ]
    assert merged(given) == given


@pytest.mark.django_db
def test_live_ones_of_the_backend_are_counted_the_most_frequent_first() -> None:
    for reason in ("no room", "pulling", "no room", "", "quota"):
        make_assignment().waits(reason)
    ended = make_assignment()
    ended.waits("no room")
    ended.close(Category.CANCELLED)
    other = make_assignment()
    other.waits("no room")
    Assignment.objects.filter(pk=other.pk).update(backend="kubernetes")

    found = reasons("droplets", 2)

    assert [(reason.text, reason.count) for reason in found] == [("no room", 2), ("pulling", 1)]
    assert all(reason.since for reason in found)
