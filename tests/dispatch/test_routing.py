from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from dispatch import backends, routing
from dispatch.backends import TaskSpec
from dispatch.models import Rollout, TrafficSplit
from dispatch.routing import BUCKETS, Split, bucket_of, current_split, decide

BOTH: Mapping[str, tuple[str, ...]] = {"old": (), "new": ()}


def split(weight: int = 0, salt: str = "r1") -> Split:
    return Split(old="old", new="new", salt=salt, weight=weight, version=7)


@pytest.mark.parametrize(
    ("salt", "key", "bucket"),
    [
        ("r1", "build-1", 83733),
        ("r1", "build-2", 64977),
        ("r1", "build-3", 33079),
        ("r2", "build-1", 39987),
    ],
)
def test_the_buckets_are_frozen(salt: str, key: str, bucket: int) -> None:
    assert bucket_of(salt, key) == bucket


@given(st.text(), st.text())
@settings(max_examples=200, deadline=None)
def test_a_bucket_is_one_of_a_hundred_thousand(salt: str, key: str) -> None:
    assert 0 <= bucket_of(salt, key) < BUCKETS


def test_the_buckets_are_spread_evenly() -> None:
    tenths = [0] * 10
    for number in range(20_000):
        tenths[bucket_of("salt", f"build-{number}") * 10 // BUCKETS] += 1

    assert all(1850 < count < 2150 for count in tenths), tenths


@pytest.mark.parametrize(
    ("weight", "backend"), [(0, "old"), (83733, "old"), (83734, "new"), (100_000, "new")]
)
def test_the_new_backend_gets_the_buckets_below_the_weight(weight: int, backend: str) -> None:
    decision = decide(split(weight), "build-1", BOTH)

    assert (decision.backend, decision.rule) == (backend, "hash")
    assert (decision.bucket, decision.weight, decision.salt) == (83733, weight, "r1")
    assert decision.configuration_version == 7


@given(st.integers(0, BUCKETS), st.integers(0, BUCKETS), st.text(min_size=1))
@settings(max_examples=200, deadline=None)
def test_raising_the_weight_only_adds_and_lowering_takes_away_the_last(
    one: int, other: int, key: str
) -> None:
    lower, higher = sorted((one, other))
    was_new = decide(split(lower), key, BOTH).backend == "new"
    is_new = decide(split(higher), key, BOTH).backend == "new"

    assert is_new or not was_new


@pytest.mark.parametrize("weight", [0, 50_000, 100_000])
def test_a_backend_that_cannot_run_it_gets_nothing_whatever_the_weight(weight: int) -> None:
    to_old = decide(split(weight), "build-1", {"old": (), "new": ("no GPU",)})
    to_new = decide(split(weight), "build-1", {"old": ("no commands", "no files"), "new": ()})

    assert (to_old.backend, to_old.rule, to_old.reasons) == ("old", "eligibility", ["new: no GPU"])
    assert (to_new.backend, to_new.rule) == ("new", "eligibility")
    assert to_new.reasons == ["old: no commands", "old: no files"]
    assert to_new.bucket is None, "no randomised decision"


def test_an_empty_key_stays_on_the_old_backend() -> None:
    decision = decide(split(100_000), "", BOTH)

    assert (decision.backend, decision.rule, decision.bucket) == ("old", "empty_key", None)


def test_with_one_backend_everything_goes_to_it() -> None:
    decision = decide(split(100_000), "build-1", {"old": ("no commands",)})

    assert (decision.backend, decision.rule) == ("old", "only")
    assert decision.reasons == ["old: no commands"]


def test_with_no_backend_nothing_is_decided() -> None:
    assert (decide(split(), "build-1", {}).backend, decide(split(), "x", {}).rule) == ("", "none")


def test_backends_outside_of_the_rollout_take_no_part_in_the_split() -> None:
    decision = decide(split(100_000), "build-1", {"old": (), "third": ()})

    assert (decision.backend, decision.rule) == ("old", "only")


def test_the_same_question_always_gets_the_same_answer() -> None:
    assert decide(split(50_000), "build-1", BOTH) == decide(split(50_000), "build-1", BOTH)


@pytest.fixture
def named(settings: Settings) -> None:
    settings.ROLLOUT = {"old": "old", "new": "new"}


def entry(rollout: Rollout, weight: int) -> TrafficSplit:
    return TrafficSplit.objects.create(
        rollout=rollout, weight=weight, actor="a", actor_kind="person", reason="x"
    )


def rollout(salt: str, closed: bool = False) -> Rollout:
    from django.utils import timezone

    at = timezone.now() if closed else None
    return Rollout.objects.create(salt=salt, old_backend="old", new_backend="new", closed_at=at)


def test_before_there_was_any_rollout_the_weight_is_zero(db: None, named: None) -> None:
    assert current_split() == Split(old="old", new="new", salt="", weight=0, version=None)


def test_the_newest_entry_of_the_open_rollout_is_in_force(db: None, named: None) -> None:
    entry(rollout("closed", closed=True), 90_000)
    mine = rollout("open")
    entry(mine, 1000)
    newest = entry(mine, 500)

    assert current_split() == Split(
        old="old", new="new", salt="open", weight=500, version=newest.pk
    )


def test_without_an_open_rollout_the_last_final_weight_holds(db: None, named: None) -> None:
    entry(rollout("first", closed=True), 10_000)
    last = entry(rollout("second", closed=True), 100_000)

    found = current_split()

    assert (found.salt, found.weight, found.version) == ("second", 100_000, last.pk)


def test_every_configured_backend_is_asked_in_order(settings: Settings) -> None:
    settings.BACKENDS = {"b": "dispatch.fake.ENTRY", "a": "dispatch.fake.ENTRY"}
    backends.forget()
    spec = TaskSpec(account="acme", repository="acme/shop", commit="0123456")

    assert list(routing.refusals(spec).items()) == [("b", ()), ("a", ())]
    backends.forget()
