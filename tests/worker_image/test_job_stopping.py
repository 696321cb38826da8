"""When the work is taken away from a pod, or time is up: all ends, and nothing false is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import wait_until
from tests.worker_image.agent_plane import AgentPlane, work_order
from tests.worker_image.conftest import MakePod, MakeRepository, lives, wait_for_pids
from tests.worker_image.pods import Container, Pod

PASSING_JSON = '{"examples": [], "summary": {"example_count": 1, "failure_count": 0}}'


def long_tests(pids: Path) -> str:
    """A command that writes passing results at once and never ends, with a child."""
    return f"""
        printf '%s' '{PASSING_JSON}' > "$SWITCHYARD_RESULTS"
        echo begun
        echo $$ >> {pids}
        sleep 300 & echo $! >> {pids}
        wait
    """


@pytest.fixture
def begun(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, tmp_path: Path
) -> Callable[..., tuple[Pod, Container, Container, list[int]]]:
    """Brings a pod to where its tests run: pod, agent, the tests' container, process ids."""

    def begin(grace: str = "30", **changes: Any) -> tuple[Pod, Container, Container, list[int]]:
        command = long_tests(tmp_path / "pids")
        plane.order = work_order(*make_repository({}), command=command, **changes)
        pod = make_pod(SWITCHYARD_GRACE_SECONDS=grace)
        agent = pod.start_agent()
        pod.start_clone()
        pod.wait_for("steps/clone.rc")
        tests = pod.start_tests()
        return pod, agent, tests, wait_for_pids(tmp_path / "pids", 2)

    return begin


Begin = Callable[..., tuple[Pod, Container, Container, list[int]]]


def assert_gone(pids: list[int]) -> None:
    wait_until(lambda: not any(map(lives, pids)))


def assert_no_verdict(plane: AgentPlane) -> None:
    assert not plane.has("results")
    assert not plane.has("finish")


def test_a_cancelled_task_stops_and_sends_its_logs(plane: AgentPlane, begun: Begin) -> None:
    pod, agent, tests, pids = begun()
    plane.cancel = True
    pod.finish(agent, tests)
    assert_gone(pids)
    assert plane.text("test").startswith("begun\n")
    assert plane.text("system").endswith("Stopped: cancelled\n")
    assert_no_verdict(plane)


def test_a_superseded_one_leaves(plane: AgentPlane, begun: Begin) -> None:
    pod, agent, tests, pids = begun()
    plane.answer = lambda call: (409, {}) if call.name == "heartbeat" else None
    pod.finish(agent, tests)
    assert_gone(pids)
    assert plane.text("system").endswith("Stopped: superseded\n")
    assert_no_verdict(plane)


def test_a_refused_event_ends_the_work_before_the_next_step(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    plane.order = work_order(*make_repository({}), command="true")
    plane.answer = lambda call: (409, {}) if call.name == "events cloned" else None
    pod = make_pod(SWITCHYARD_HEARTBEAT_SECONDS="60")
    agent = pod.start_agent()
    pod.start_clone()
    pod.wait_for("ctl/quit")
    assert agent.terminate() == 0
    assert plane.text("system").endswith("Stopped: superseded\n")
    assert not list(pod.ctl.glob("step-*"))
    assert_no_verdict(plane)


def test_a_gap_in_a_log_is_no_reason_to_leave(plane: AgentPlane, begun: Begin) -> None:
    pod, agent, tests, _ = begun()
    wait_until(lambda: plane.text("test") == "begun\n")
    plane.forget_log("test", keep=2)
    plane.forget_log("system", keep=0)
    plane.cancel = True
    pod.finish(agent, tests)
    assert plane.text("system").endswith("Stopped: cancelled\n")
    assert plane.text("system").startswith("Task task-1")


def test_a_token_that_is_refused_again_and_again_ends_the_work(
    plane: AgentPlane, begun: Begin
) -> None:
    pod, agent, tests, pids = begun()
    plane.answer = lambda call: (401, {}) if call.name == "heartbeat" else None
    pod.finish(agent, tests)
    assert_gone(pids)
    assert plane.text("system").endswith("Stopped: refused\n")


def test_a_timeout_ends_the_tests_and_is_never_a_pass(plane: AgentPlane, begun: Begin) -> None:
    pod, agent, tests, pids = begun(timeout_seconds=6)
    pod.finish(agent, tests)
    assert_gone(pids)
    detail = "the Task's timeout is over: 6 seconds from the claim"
    assert plane.only("events timed_out").json["detail"] == detail
    assert detail in plane.text("system")
    assert not plane.has("results")
    assert plane.names()[-1] == "finish"
    assert plane.only("finish").json["exit_code"] is None


def test_the_timeout_counts_from_the_claim_whatever_is_waited_for(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    plane.order = work_order(*make_repository({}), timeout_seconds=1)
    pod = make_pod()
    agent = pod.start_agent()
    pod.wait_for("ctl/quit")
    assert agent.terminate() == 0
    assert plane.events() == ["timed_out"] and plane.names()[-1] == "finish"


def test_term_stops_the_step_and_sends_what_is_there(plane: AgentPlane, begun: Begin) -> None:
    _, agent, tests, pids = begun()
    began = time.monotonic()
    assert agent.terminate() == 0
    assert time.monotonic() - began < 20
    assert tests.end() == 0
    assert_gone(pids)
    assert plane.text("test").startswith("begun\n")
    assert plane.text("system").endswith("Stopped: terminated\n")
    assert_no_verdict(plane)


def test_a_deleted_pod_gives_no_verdict_though_its_tests_end_first(
    plane: AgentPlane, begun: Begin
) -> None:
    """The tests' container gets TERM first, and its step's code is no result."""
    _, agent, tests, pids = begun()
    assert tests.terminate() == 143
    assert agent.terminate() == 0
    assert_gone(pids)
    assert plane.text("test").startswith("begun\n")
    assert plane.text("system").endswith("Stopped: terminated\n")
    assert_no_verdict(plane)


BROKEN = "error building image: failed to execute command: waiting for process: exit status 1\n"


def terminated_after(plane: AgentPlane, pod: Pod, log: str, code: int) -> None:
    """TERM comes before the agent, which looks seldom, has seen anything of the build."""
    agent = pod.start_agent(SWITCHYARD_LOOK_SECONDS="60", SWITCHYARD_BUILD="1")
    assert pod.start_clone().end() == 0
    pod.build(log, code=code)
    assert agent.terminate() == 0


def test_a_build_that_fails_is_told_though_the_pod_is_ended_for_it_at_once(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    plane.order = work_order(*make_repository({}))
    terminated_after(plane, make_pod(), f"RUN false\n{BROKEN}", code=1)
    assert plane.events() == ["cloned", "build_started", "build_failed"]
    assert plane.text("build") == f"RUN false\n{BROKEN}"
    assert plane.names()[-1] == "finish"
    assert plane.only("finish").json["exit_code"] is None


def test_a_clone_that_fails_is_told_though_the_pod_is_ended_for_it_at_once(
    plane: AgentPlane, make_pod: MakePod, tmp_path: Path
) -> None:
    plane.order = work_order((tmp_path / "nothing").as_uri(), "0" * 40)
    pod = make_pod(SWITCHYARD_LOOK_SECONDS="60")
    agent = pod.start_agent()
    pod.wait_for("ctl/claimed")
    assert pod.start_clone(SWITCHYARD_LOOK_SECONDS="0.02").end() == 1
    assert agent.terminate() == 0
    assert plane.names() == ["claim", "git-token", "events clone_failed", "finish"]


def test_a_builder_that_was_made_to_end_says_nothing_of_the_dockerfile(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    plane.order = work_order(*make_repository({}))
    terminated_after(plane, make_pod(), f"RUN bundle install\n{BROKEN}", code=143)
    assert plane.events() == ["cloned", "build_started"]
    assert plane.text("system").endswith("Stopped: terminated\n")
    assert_no_verdict(plane)


def test_no_step_begins_once_the_agent_was_told_to_go(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    plane.order = work_order(*make_repository({}))
    pod = make_pod()
    terminated_after(plane, pod, "Pushed\n", code=0)
    assert plane.events() == ["cloned", "build_started", "build_finished"]
    assert not list(pod.ctl.glob("step-*"))
    assert_no_verdict(plane)


def test_term_is_obeyed_while_the_control_plane_is_away(plane: AgentPlane, begun: Begin) -> None:
    _, agent, _, pids = begun(grace="12")
    plane.stop()
    assert agent.terminate(20) == 0
    assert_gone(pids)


def test_term_before_the_claim_was_answered_ends_it(plane: AgentPlane, make_pod: MakePod) -> None:
    plane.stop()
    agent = make_pod(SWITCHYARD_GRACE_SECONDS="11").start_agent()
    wait_until(lambda: "trying again" in agent.output())
    assert agent.terminate(20) == 0


@pytest.mark.parametrize("status", [409, 401, 400])
def test_who_may_not_claim_lets_everybody_go_and_nothing_is_cloned(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, status: int
) -> None:
    plane.order = work_order(*make_repository({}))
    plane.answer = lambda call: (status, {}) if call.name == "claim" else None
    pod = make_pod()
    agent, clone = pod.start_agent(), pod.start_clone()
    assert clone.end() == 3
    pod.wait_for("ctl/quit", "ctl/refused")
    assert agent.process.poll() is None
    assert agent.terminate() == 0
    assert plane.names() == []
    assert list(pod.checkout.iterdir()) == []


def test_one_of_two_pods_runs_and_the_other_leaves(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    plane.order = work_order(*make_repository({}), command="true")
    pods = [make_pod(instance="first"), make_pod(instance="second")]
    agents = [pod.start_agent() for pod in pods]
    codes = [clone.end() for clone in [pod.start_clone() for pod in pods]]
    assert sorted(codes) == [0, 3]
    winner = codes.index(0)
    pods[winner].finish(agents[winner], pods[winner].start_tests())
    assert agents[1 - winner].terminate() == 0
    assert len(plane.named("finish")) == 1
