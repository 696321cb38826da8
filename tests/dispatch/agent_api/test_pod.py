"""The agent of a pod, as processes of its own, against the real agent API over HTTP."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dispatch import tokens
from dispatch.models import Assignment, LogChunk, Task
from dispatch.outcomes import Category, TaskState
from sandbox.samples import Sample, create_samples
from tests.dispatch.agent_api.agent import Agent, make_agent
from tests.dispatch.api.calling import Site
from tests.factories import make_assignment, make_suite_run
from tests.waiting import wait_until
from tests.worker_image.busyboxes import make_busybox
from tests.worker_image.pods import Pod

SECONDS = 60.0
RUN_LINE = "mkdir -p tmp && ls spec > tmp/built"
SECRET = "hunter2-long"

MakePod = Callable[..., Pod]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sample]:
    return create_samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def make_pod(site: Site, tmp_path: Path) -> Iterator[MakePod]:
    pods: list[Pod] = []
    busybox = make_busybox("machine", tmp_path)

    def make(agent: Agent, sample: Sample, instance: str = "pod-1", seconds: str = "0") -> Pod:
        order = {"clone_url": sample.clone_url, "commit": sample.commit}
        plane = SimpleNamespace(url=f"http://127.0.0.1:{site.port}", order=order)
        pod = Pod(
            cast(Any, plane),
            tmp_path / instance,
            busybox,
            variables={"SAMPLE_SECONDS": seconds, "KEY": SECRET},
            instance=instance,
            SWITCHYARD_ASSIGNMENT_ID=str(agent.assignment.pk),
        )
        token = tokens.derive("assignment", agent.assignment.pk)
        (pod.folder / "token").write_text(token)
        pods.append(pod)
        return pod

    yield make
    for pod in pods:
        (pod.ctl / "stop").touch()
        pod.end()


def an_agent(sample: Sample, **facts: Any) -> Agent:
    suite_run = make_suite_run(order_count=1, clone_url=sample.clone_url, commit=sample.commit)
    return make_agent(make_assignment(suite_run, **facts), KEY=SECRET)


def log(agent: Agent, name: str) -> bytes:
    rows = LogChunk.objects.filter(stream__assignment=agent.assignment, stream__name=name)
    return b"".join(bytes(row.data) for row in rows.order_by("start"))


def state(agent: Agent) -> str:
    return Task.objects.get(pk=agent.task.pk).state


@pytest.mark.parametrize("name", ["passing", "failing", "unprepared"])
def test_a_pod_brings_its_verdict(make_pod: MakePod, samples: dict[str, Sample], name: str) -> None:
    sample = samples[name]
    agent = an_agent(sample)
    make_pod(agent, sample).run(run_line=RUN_LINE)
    row = agent.row
    assert (state(agent), row.category) == (sample.verdict, sample.category)
    assert row.instance == "pod-1" and row.finish is not None
    assert row.cloned_at is not None and row.services_ready_at is not None
    assert f"Task {agent.task.pk} in the pod pod-1".encode() in log(agent, "system")
    ran = sample.category != Category.PRE_SCRIPT_FAILED
    assert bool(row.tests_started_at) == bool(row.example_count) == bool(log(agent, "test")) == ran
    assert row.exit_code == ({"passed": 0, "failed": 1}[sample.category] if ran else None)


def test_the_tasks_timeout_is_the_outcome(make_pod: MakePod, samples: dict[str, Sample]) -> None:
    agent = an_agent(samples["passing"], timeout_seconds=3, command=f"echo {SECRET}; sleep 600")
    make_pod(agent, samples["passing"]).run(run_line=RUN_LINE)
    assert (state(agent), agent.row.category) == (TaskState.FAILED, Category.TIMEOUT)
    assert "3 seconds from the claim" in agent.row.sentence
    assert SECRET.encode() not in log(agent, "test")


def test_a_cancel_ends_the_work_and_brings_the_last_logs(
    make_pod: MakePod, samples: dict[str, Sample]
) -> None:
    agent = an_agent(samples["passing"], command="echo begun; sleep 600")
    pod = make_pod(agent, samples["passing"])
    container = pod.start_agent()
    assert pod.start_clone().end() == 0
    tests = pod.start_tests(run_line=RUN_LINE)
    wait_until(lambda: b"begun" in log(agent, "test"), SECONDS)
    agent.task.cancel(actor="somebody")
    pod.finish(container, tests)
    assert state(agent) == TaskState.CANCELLED
    assert b"Stopped: cancelled" in log(agent, "system")
    assert agent.row.finish is None


def test_a_second_pod_of_the_same_assignment_leaves_before_it_clones(
    make_pod: MakePod, samples: dict[str, Sample]
) -> None:
    agent = an_agent(samples["passing"])
    agent.claim("pod-1")
    pod = make_pod(agent, samples["passing"], instance="pod-2")
    container = pod.start_agent()
    assert pod.start_clone().end() == 3
    assert not list(pod.checkout.iterdir())
    assert container.terminate() == 0
    assert agent.row.instance == "pod-1" and agent.row.live


def test_a_failed_clone_is_no_verdict_and_is_tried_again(
    make_pod: MakePod, samples: dict[str, Sample]
) -> None:
    sample = samples["passing"]
    agent = an_agent(sample)
    pod = make_pod(agent, sample)
    container = pod.start_agent()
    clone = pod.start_clone(SWITCHYARD_COMMIT="0" * 40)
    assert clone.end() == 1
    wait_until(lambda: Assignment.objects.get(pk=agent.assignment.pk).category, SECONDS)
    assert container.terminate() == 0
    assert (state(agent), agent.row.category) == (TaskState.QUEUED, Category.NO_VERDICT)
    assert "The clone failed" in agent.row.sentence
