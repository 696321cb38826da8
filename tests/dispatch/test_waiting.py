"""Why Assignments wait on their backends, counted."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from dispatch.ids import new_id
from dispatch.models import Assignment
from dispatch.outcomes import Category
from dispatch.waiting import (
    WaitingReason,
    let_go_on,
    merged,
    reasons,
    what_is_waited_for,
)
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


def waiting_for(what: str, seconds: int = 10) -> Assignment:
    assignment = make_assignment()
    assignment.wait_for(what, f"waiting for {what}")
    since = timezone.now() - timedelta(seconds=seconds)
    Assignment.objects.filter(pk=assignment.pk).update(pending_since=since)
    return Assignment.by_id(assignment.pk)


@pytest.mark.django_db
def test_those_that_wait_for_it_go_on_and_what_they_waited_is_kept() -> None:
    waiting, other = waiting_for("an image"), waiting_for("another")
    assert what_is_waited_for("droplets") == {"an image", "another"}
    assert let_go_on("droplets", ["an image"]) == 1
    row = Assignment.by_id(waiting.pk)
    assert (row.waits_for, row.pending, row.pending_since) == ("", "", None)
    assert timedelta(seconds=10) <= row.image_wait < timedelta(seconds=40)
    assert Assignment.by_id(other.pk).waits_for == "another"
    assert what_is_waited_for("droplets") == {"another"}


@pytest.mark.django_db
def test_waits_add_up_and_one_that_is_told_again_goes_on_from_its_beginning() -> None:
    waiting = waiting_for("an image")
    waiting.wait_for("an image", "it is still built, by somebody else")
    let_go_on("droplets", ["an image"])
    row = Assignment.by_id(waiting.pk)
    row.wait_for("a second one", "once more")
    let_go_on("droplets", ["a second one"])
    assert timedelta(seconds=10) <= Assignment.by_id(row.pk).image_wait < timedelta(seconds=40)


@pytest.mark.django_db
def test_one_that_is_placed_or_closed_waits_for_nothing() -> None:
    placed, closed = make_assignment(), waiting_for("an image")
    placed.place("somewhere")
    assert not placed.wait_for("an image", "too late")
    closed.close(Category.CANCELLED)
    assert what_is_waited_for("droplets") == set()
    assert let_go_on("droplets", ["an image"]) == 0


# Two controllers at once: each of them has seen the row before the other changed it.


@pytest.mark.django_db
def test_one_whose_start_another_has_begun_does_not_wait() -> None:
    assignment = make_assignment()
    paused = Assignment.by_id(assignment.pk)
    assert assignment.note_start()
    assert not paused.wait_for("an image", "waiting")
    assert Assignment.by_id(assignment.pk).waits_for == ""


@pytest.mark.django_db
def test_one_that_went_elsewhere_or_is_claimed_does_not_wait() -> None:
    moved, claimed = make_assignment(), make_assignment()
    for assignment, change in ((moved, {"backend": "fake"}), (claimed, {"instance": "pod"})):
        if assignment is claimed:
            Assignment.by_id(assignment.pk).claim(change["instance"])
        else:
            Assignment.objects.filter(pk=assignment.pk).update(**change)
        assert not assignment.wait_for("an image", "waiting")
        assert Assignment.by_id(assignment.pk).waits_for == ""


@pytest.mark.django_db
def test_one_whose_start_was_tried_in_vain_may_wait() -> None:
    assignment = make_assignment()
    assignment.note_start()
    assert Assignment.by_id(assignment.pk).wait_for("an image", "waiting")


@pytest.mark.django_db
def test_one_that_another_places_or_claims_waits_no_more_and_holds_up_nobody() -> None:
    placed, claimed, other = (waiting_for("an image") for _ in range(3))
    assert placed.place("somewhere")
    assert claimed.claim("pod")
    placed.waits("pulling")
    placed.waits("")
    for one in (placed, claimed):
        assert Assignment.by_id(one.pk).waits_for == ""
    assert let_go_on("droplets", ["an image"]) == 1
    assert Assignment.by_id(other.pk).image_wait > timedelta(0)


@pytest.mark.django_db
def test_one_of_which_it_is_not_known_since_when_it_waits_goes_on_with_the_others() -> None:
    unknown, other = waiting_for("an image"), waiting_for("an image")
    Assignment.objects.filter(pk=unknown.pk).update(pending_since=None)
    assert let_go_on("droplets", ["an image"]) == 2
    assert Assignment.by_id(unknown.pk).image_wait == timedelta(0)
    assert Assignment.by_id(other.pk).image_wait > timedelta(0)
