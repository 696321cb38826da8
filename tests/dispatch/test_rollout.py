import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from dispatch.models import AuditEntry, Rollout, TrafficSplit
from dispatch.rollout import Actor, WeightRefused, set_weight, weight_before, weight_changes

NOON = datetime(2026, 8, 7, 12, tzinfo=UTC)
ANNA = Actor(name="anna", kind="person")


@pytest.fixture(autouse=True)
def both(settings: Settings) -> None:
    settings.BACKENDS = {"old": "dispatch.fake.ENTRY", "new": "dispatch.fake.ENTRY"}
    settings.ROLLOUT = {"old": "old", "new": "new"}


def test_the_first_weight_opens_a_rollout_with_a_salt_of_its_own(db: None) -> None:
    entry = set_weight(5000, actor=ANNA, reason="first step")

    rollout = Rollout.objects.get()
    assert entry.rollout == rollout
    assert (rollout.old_backend, rollout.new_backend, rollout.closed_at) == ("old", "new", None)
    assert len(rollout.salt) >= 16


def test_every_weight_is_added_to_the_history_and_the_audit(db: None) -> None:
    set_weight(5000, actor=ANNA, reason="first step")
    set_weight(0, actor=Actor(name="rails: deploy", kind="token"), reason="back")

    entries = TrafficSplit.objects.order_by("id")
    assert [(one.weight, one.actor, one.actor_kind, one.reason) for one in entries] == [
        (5000, "anna", "person", "first step"),
        (0, "rails: deploy", "token", "back"),
    ]
    audit = AuditEntry.objects.order_by("id")
    assert [one.before for one in audit] == [{"weight": None}, {"weight": 5000}]
    assert [one.after and one.after["weight"] for one in audit] == [5000, 0]
    assert Rollout.objects.count() == 1


@pytest.mark.parametrize(
    ("weight", "reason", "field"),
    [
        (-1, "x", "weight"),
        (100_001, "x", "weight"),
        (1, "", "reason"),
        (1, " \n", "reason"),
    ],
)
def test_a_wrong_weight_leaves_nothing_behind(
    db: None, weight: int, reason: str, field: str
) -> None:
    with pytest.raises(WeightRefused) as refusal:
        set_weight(weight, actor=ANNA, reason=reason)

    assert refusal.value.field == field
    assert not (Rollout.objects.exists() or AuditEntry.objects.exists())


def test_while_the_new_backend_is_not_configured_only_zero_is_possible(
    db: None, settings: Settings
) -> None:
    settings.BACKENDS = {"old": "dispatch.fake.ENTRY"}

    with pytest.raises(WeightRefused, match="new"):
        set_weight(1, actor=ANNA, reason="x")
    assert set_weight(0, actor=ANNA, reason="x").weight == 0


@pytest.mark.django_db(transaction=True)
def test_two_who_start_at_the_same_moment_share_one_rollout() -> None:
    start = threading.Barrier(4)

    def begin(weight: int) -> None:
        start.wait(timeout=10)
        set_weight(weight, actor=ANNA, reason="x")
        connection.close()

    threads = [threading.Thread(target=begin, args=(weight,)) for weight in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert Rollout.objects.count() == 1
    assert TrafficSplit.objects.count() == 4


# The history of the weight --------------------------------------------------------------------


def at(weight: int, hours: float) -> TrafficSplit:
    """Set so many hours after NOON."""
    split = set_weight(weight, actor=ANNA, reason=f"to {weight}")
    moment = NOON + timedelta(hours=hours)
    TrafficSplit.objects.filter(pk=split.pk).update(at=moment)
    return split


def test_each_change_stands_beside_what_it_replaced(db: None) -> None:
    for weight, hours in ((10_000, -1), (20_000, 1), (5_000, 2), (7_000, 9)):
        at(weight, hours)
    found = weight_changes(NOON, NOON + timedelta(hours=3))
    assert [(one.before, one.entry.weight) for one in found] == [(10_000, 20_000), (20_000, 5_000)]
    assert [one.entry.reason for one in found] == ["to 20000", "to 5000"]


def test_before_the_first_one_it_was_zero(db: None) -> None:
    at(10_000, 0)
    (change,) = weight_changes(NOON, NOON + timedelta(hours=1))
    assert (change.before, change.entry.weight) == (0, 10_000)
    assert weight_before(NOON) == 0
    assert weight_before(NOON + timedelta(seconds=1)) == 10_000


def test_a_new_rollout_replaces_the_weight_of_the_one_before(db: None) -> None:
    at(10_000, -2)
    Rollout.objects.update(closed_at=NOON)
    at(0, 1)
    (change,) = weight_changes(NOON, NOON + timedelta(hours=2))
    assert (change.before, change.entry.weight) == (10_000, 0)


def test_a_moment_belongs_to_one_of_two_adjoining_times(db: None) -> None:
    at(10_000, 1)
    middle = NOON + timedelta(hours=1)
    assert weight_changes(NOON, middle) == []
    assert len(weight_changes(middle, middle + timedelta(hours=1))) == 1
