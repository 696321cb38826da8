"""Silent agents of pods are given up, but not while nobody could be heard."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dispatch.models import Assignment
from dispatch.outcomes import Category
from kube import config as config_module
from kube.silence import Watch
from tests.factories import make_assignment, make_suite_run
from tests.ports import free_port

pytestmark = pytest.mark.django_db


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def heard(seconds: float, backend: str = "kubernetes") -> Assignment:
    """One whose agent has claimed long ago and was heard so many seconds ago."""
    assignment = make_assignment(make_suite_run(backend=backend))
    assignment.place(f"task-{assignment.pk}/uid")
    assignment.claim("the pod")
    rows = Assignment.objects.filter(pk=assignment.pk)
    rows.update(claimed_at=ago(3600), heard_at=ago(seconds))
    return Assignment.by_id(assignment.pk)


@pytest.fixture
def watch() -> Watch:
    """One that has heard somebody all the time."""
    heard(0)
    watch = Watch()
    watch.step()
    watch._hearing.since = ago(400)
    return watch


def category(assignment: Assignment) -> str:
    return Assignment.by_id(assignment.pk).category


@pytest.mark.parametrize("seconds,end", [(88, ""), (92, "agent_lost")])
def test_an_agent_that_is_not_heard_is_lost(watch: Watch, seconds: float, end: str) -> None:
    assignment = heard(seconds)
    watch.step()
    assert category(assignment) == end


def test_one_that_has_not_claimed_is_looked_after_by_its_pods_status(watch: Watch) -> None:
    assignment = make_assignment(make_suite_run(backend="kubernetes"))
    assignment.place("task/uid")
    Assignment.objects.filter(pk=assignment.pk).update(placed_at=ago(3600))
    watch.step()
    assert category(assignment) == ""


def test_another_backends_are_its_own(watch: Watch) -> None:
    assignment = heard(500, backend="droplets")
    watch.step()
    assert category(assignment) == ""


def test_a_lost_one_is_tried_again(watch: Watch) -> None:
    assignment = heard(100)
    watch.step()
    row = Assignment.by_id(assignment.pk)
    assert row.category == Category.AGENT_LOST and "90 s" in row.sentence
    assert Assignment.objects.get(task=row.task, closed_at=None).number == 2


def test_when_somebody_is_heard_again_the_others_get_the_whole_time_to_be_heard() -> None:
    assignment = heard(500)
    watch = Watch()
    heard(0)
    watch.step()
    assert category(assignment) == ""
    assert watch._hearing.since is not None
    watch._hearing.since -= timedelta(seconds=91)
    watch.step()
    assert category(assignment) == Category.AGENT_LOST


@pytest.mark.parametrize("reachable,end", [(True, "agent_lost"), (False, "")])
@pytest.mark.django_db(transaction=True)
def test_when_nobody_is_heard_it_matters_whether_agents_can_reach_us(
    live_server: Any, monkeypatch: pytest.MonkeyPatch, reachable: bool, end: str
) -> None:
    """A web that is away for an hour must not cost a single Task."""
    url = live_server.url if reachable else f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("SWITCHYARD_KUBE_AGENT_API_URL", url)
    config_module.config.cache_clear()
    assignment, watch = heard(3600), Watch()
    watch.step()
    if watch._hearing.since:
        watch._hearing.since -= timedelta(seconds=91)
    watch.step()
    config_module.config.cache_clear()
    assert category(assignment) == end
