import threading

import pytest
from django.db import connection
from pytest_django import Settings

from dispatch.models import AuditEntry, Rollout, TrafficSplit
from dispatch.rollout import Actor, WeightRefused, set_weight

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
