from typing import Any

import pytest
from pytest_django import Settings

from dispatch import backends, placement
from dispatch.backends import Eligibility, TaskSpec
from dispatch.models import Rollout, SuiteRun, TrafficSplit
from dispatch.rollout import Actor, set_weight
from dispatch.why import explain
from tests.factories import make_suite_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def both(settings: Settings) -> None:
    settings.BACKENDS = {"old": "dispatch.fake.ENTRY", "new": "tests.dispatch.test_why.PICKY"}
    settings.ROLLOUT = {"old": "old", "new": "new"}
    backends.forget()


class Picky:
    """Runs no commands."""

    def eligible(self, spec: TaskSpec) -> Eligibility:
        return Eligibility(reasons=("command: none here: leave it out",) if spec.command else ())


PICKY = backends.BackendEntry(title="Picky", backend=Picky)  # type: ignore[arg-type]


def decided(suite_run_id: str = "build-1", command: str | None = None) -> SuiteRun:
    suite_run = make_suite_run(suite_run_id=suite_run_id)
    spec = placement.spec_of(suite_run, command, None)
    placement.adopt(suite_run, placement.decide_for(suite_run, spec))
    suite_run.save()
    return SuiteRun.objects.get(pk=suite_run.pk)


def weight(value: int) -> None:
    """With a salt that puts build-1 into bucket 83733."""
    set_weight(value, actor=Actor(name="anna", kind="person"), reason="x")
    Rollout.objects.update(salt="r1")


@pytest.mark.parametrize("value", [0, 50_000, 100_000])
def test_a_split_decision_comes_out_again(value: int) -> None:
    weight(value)

    story = explain(decided())

    assert story.agrees, story.doubts
    assert (story.stored["rule"], story.stored["weight"]) == ("hash", value)


def test_so_it_does_long_after_the_weight_has_changed(settings: Settings) -> None:
    weight(100_000)
    suite_run = decided()
    weight(0)
    Rollout.objects.update(closed_at=suite_run.created_at)
    weight(500)
    settings.BACKENDS = {}
    settings.ROLLOUT = {"old": "x", "new": "y"}

    assert explain(suite_run).agrees


def test_a_decision_before_any_weight_comes_out_again() -> None:
    story = explain(decided())

    assert story.agrees, story.doubts
    assert (story.stored["rule"], story.stored["configuration_version"]) == ("hash", None)


def test_a_decision_by_eligibility_comes_out_again() -> None:
    weight(100_000)

    story = explain(decided(command="make"))

    assert story.agrees, story.doubts
    assert (story.stored["rule"], story.stored["backend"]) == ("eligibility", "old")
    assert story.stored["reasons"] == ["new: command: none here: leave it out"]


@pytest.mark.parametrize("names", [[], ["old"], ["old", "third"]])
def test_a_decision_without_a_choice_comes_out_again(settings: Settings, names: list[str]) -> None:
    settings.BACKENDS = {name: "dispatch.fake.ENTRY" for name in names}
    backends.forget()

    story = explain(decided())

    assert story.agrees, story.doubts
    assert story.stored["rule"] == ("only" if names else "none")


@pytest.mark.parametrize(
    "change",
    [
        {"backend": "new"},
        {"rule": "only"},
        {"rule": "eligibility"},
        {"bucket": 1},
        {"bucket": None},
        {"weight": 60_000},
        {"salt": "another"},
        {"configuration_version": 10**6},
        {"configuration_version": None},
        {"routing_key": "build-2"},
        {"reasons": ["new: no"]},
    ],
)
def test_what_was_tampered_with_does_not_come_out_again(change: dict[str, Any]) -> None:
    weight(10_000)
    suite_run = decided()
    SuiteRun.objects.update(**change)

    story = explain(SuiteRun.objects.get(pk=suite_run.pk))

    assert not story.agrees
    assert story.doubts


def test_a_history_that_was_tampered_with_is_noticed() -> None:
    weight(10_000)
    suite_run = decided()
    TrafficSplit.objects.update(weight=20_000)

    assert "weight" in explain(suite_run).doubts[0]
