"""Silent agents of pods are given up, but not while nobody could be heard."""

from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dispatch.env import EnvError
from dispatch.hearing import Hearing
from dispatch.models import Assignment, TaskEvent
from dispatch.outcomes import Category
from kube import config as config_module
from kube import silence
from kube.silence import Watch
from kube.worker import KubernetesWorker
from tests.factories import make_assignment, make_suite_run
from tests.kube.cluster import SandboxCluster
from tests.kube.conftest import started
from tests.moments import CLOSING, just_before
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


class Watching:
    def __init__(self, worker: KubernetesWorker) -> None:
        self.worker, self.watch = worker, Watch()

    @property
    def hearing(self) -> Hearing:
        return self.watch._hearing

    def step(self) -> None:
        self.watch.step(self.worker)


@pytest.fixture
def fresh(worker: KubernetesWorker) -> Watching:
    return Watching(worker)


@pytest.fixture
def watch(fresh: Watching) -> Watching:
    """One that has heard somebody all the time."""
    heard(0)
    fresh.step()
    fresh.hearing.since = ago(400)
    return fresh


def category(assignment: Assignment) -> str:
    return Assignment.by_id(assignment.pk).category


@pytest.mark.parametrize("seconds,end", [(88, ""), (92, "agent_lost")])
def test_an_agent_that_is_not_heard_is_lost(watch: Watching, seconds: float, end: str) -> None:
    assignment = heard(seconds)
    watch.step()
    assert category(assignment) == end


def test_one_whose_agent_does_not_run_yet_is_looked_after_by_its_pods_status(
    watch: Watching,
) -> None:
    assignment = make_assignment(make_suite_run(backend="kubernetes"))
    assignment.place("task/uid")
    Assignment.objects.filter(pk=assignment.pk).update(placed_at=ago(3600))
    watch.step()
    assert category(assignment) == ""


def with_pod(watch: Watching, cluster: SandboxCluster, seconds: float, **status: Any) -> Assignment:
    """One whose agent runs for so long and has not claimed."""
    assignment = started(watch.worker)
    rows = Assignment.objects.filter(pk=assignment.pk)
    rows.update(placed_at=ago(3600))
    pod = cluster.pod_of(str(assignment.external_id).partition("/")[0])
    at = ago(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
    statuses = [
        {**one, "state": {"running": {"startedAt": at}}} if one["name"] == "agent" else one
        for one in pod["status"]["initContainerStatuses"]
    ]
    body = {"status": {"initContainerStatuses": statuses} | status}
    cluster.change("pods", pod["metadata"]["name"], body, "status")
    watch.worker.pods.refresh()
    return assignment


@pytest.mark.parametrize("seconds,end", [(80, ""), (95, "agent_lost")])
def test_an_agent_that_runs_and_does_not_claim_is_lost(
    watch: Watching, cluster: SandboxCluster, seconds: float, end: str
) -> None:
    assignment = with_pod(watch, cluster, seconds)
    watch.step()
    assert category(assignment) == end


def test_what_the_cluster_shows_of_it_is_kept_and_may_be_a_lost_node(
    watch: Watching, cluster: SandboxCluster
) -> None:
    conditions = [
        {"type": "Ready", "status": "False"},
        {"type": "ContainersReady", "status": "True"},
    ]
    assignment = with_pod(watch, cluster, 0, conditions=conditions)
    assignment.claim("the pod")
    rows = Assignment.objects.filter(pk=assignment.pk)
    rows.update(claimed_at=ago(3600), heard_at=ago(100))
    watch.step()
    row = Assignment.by_id(assignment.pk)
    assert row.category == Category.NODE_LOST and "node" in row.sentence
    event = TaskEvent.objects.get(task=row.task, kind="backend.ended")
    assert event.detail["seen"]["pods"][0]["conditions"]


def test_a_cluster_that_does_not_answer_hides_no_silence(
    watch: Watching, cluster: SandboxCluster
) -> None:
    cluster.faults({"kind": "500"})
    assignment = heard(100)
    watch.step()
    assert category(assignment) == Category.AGENT_LOST


def test_one_that_is_heard_while_it_is_looked_at_goes_on(watch: Watching) -> None:
    assignment = heard(100)
    with just_before(CLOSING, Assignment.by_id(assignment.pk).heard):
        watch.step()
    assert category(assignment) == ""
    assert not TaskEvent.objects.filter(task=assignment.task, kind="backend.ended").exists()


def test_one_that_claims_while_it_is_looked_at_goes_on(
    watch: Watching, cluster: SandboxCluster
) -> None:
    assignment = with_pod(watch, cluster, 95)
    agent = Assignment.by_id(assignment.pk)
    with just_before(CLOSING, lambda: agent.claim("the pod")):
        watch.step()
    assert category(assignment) == ""


def test_a_cluster_that_hangs_takes_a_bounded_time_of_a_step_and_the_longest_silence_comes_first(
    watch: Watching, cluster: SandboxCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "STEP_SECONDS", 0.5)
    rows = [heard(seconds) for seconds in (100, 300, 200)]
    cluster.faults({"kind": "hang", "seconds": 1})
    watch.step()
    assert [category(row) for row in rows] == ["", "agent_lost", ""]
    cluster.faults()
    watch.step()
    assert [category(row) for row in rows] == ["agent_lost"] * 3


@pytest.mark.parametrize("seconds,taken", [("39.9", False), ("40", True)])
def test_a_time_for_which_a_healthy_agent_may_seem_silent_is_refused(
    monkeypatch: pytest.MonkeyPatch, seconds: str, taken: bool
) -> None:
    """Two notes of its calls may be 25 s apart, and it may try one call twice."""
    monkeypatch.setenv("SWITCHYARD_KUBE_SILENCE_SECONDS", seconds)
    with nullcontext() if taken else pytest.raises(EnvError, match="KUBE_SILENCE_SECONDS.* 40"):
        config_module.config.__wrapped__()


def test_another_backends_are_its_own(watch: Watching) -> None:
    assignment = heard(500, backend="droplets")
    watch.step()
    assert category(assignment) == ""


def test_a_lost_one_is_tried_again(watch: Watching) -> None:
    assignment = heard(100)
    watch.step()
    row = Assignment.by_id(assignment.pk)
    assert row.category == Category.AGENT_LOST and "90 s" in row.sentence
    assert Assignment.objects.get(task=row.task, closed_at=None).number == 2


def test_when_somebody_is_heard_again_the_others_get_the_whole_time_to_be_heard(
    fresh: Watching,
) -> None:
    assignment = heard(500)
    heard(0)
    fresh.step()
    assert category(assignment) == ""
    assert fresh.hearing.since is not None
    fresh.hearing.since -= timedelta(seconds=91)
    fresh.step()
    assert category(assignment) == Category.AGENT_LOST


@pytest.mark.parametrize("reachable,end", [(True, "agent_lost"), (False, "")])
@pytest.mark.django_db(transaction=True)
def test_when_nobody_is_heard_it_matters_whether_agents_can_reach_us(
    live_server: Any,
    monkeypatch: pytest.MonkeyPatch,
    fresh: Watching,
    reachable: bool,
    end: str,
) -> None:
    """A web that is away for an hour must not cost a single Task."""
    url = live_server.url if reachable else f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("SWITCHYARD_KUBE_AGENT_API_URL", url)
    config_module.config.cache_clear()
    assignment = heard(3600)
    fresh.step()
    if fresh.hearing.since:
        fresh.hearing.since -= timedelta(seconds=91)
    fresh.step()
    config_module.config.cache_clear()
    assert category(assignment) == end
