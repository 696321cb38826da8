"""A Task is cancelled, whatever its pod is doing: it stops, its logs arrive, nothing else does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.waiting import wait_until
from tests.worker_image.agent_plane import AgentPlane, Answer, Taken, work_order
from tests.worker_image.conftest import MakePod, MakeRepository, lives, wait_for_pids
from tests.worker_image.loopback import Loopback, Reply, Request
from tests.worker_image.pods import Container, Pod
from tests.worker_image.test_job_delivery import WRITE_RESULTS

PHASES = ("cloning", "building", "waiting for services", "preparing", "testing", "uploading")
NO_CANCEL = {"pre_script_failed", "build_failed", "build_ended", "timed_out", "agent_error"}


class Cancelled:
    """A pod that is brought to one phase, where it stays until it is cancelled."""

    def __init__(self, pod: Pod, phase: str, pids: Path) -> None:
        self.pod, self.phase, self.pids = pod, phase, pids
        self.agent = pod.start_agent()
        self.tests: Container | None = None

    def reach(self) -> None:
        plane = self.pod.plane
        self.pod.wait_for("ctl/claimed")
        if self.phase == "cloning":
            return
        assert self.pod.start_clone().end() == 0
        (self.pod.steps / "build.log").write_text("RUN bundle install\n")
        if self.phase == "building":
            wait_until(lambda: plane.text("build") == "RUN bundle install\n")
            return
        self.pod.build("RUN bundle install\n")
        if self.phase == "waiting for services":
            wait_until(lambda: plane.has("events build_finished"))
            return
        self.tests = self.pod.start_tests()
        if self.phase == "uploading":
            wait_until(lambda: any(call.name == "results" for call in plane.refused))
        else:
            wait_for_pids(self.pids, 1)

    def end(self) -> None:
        self.pod.wait_for("ctl/quit")
        if self.tests:
            assert self.tests.end() == 0
        assert self.agent.terminate() == 0


@pytest.mark.parametrize("phase", PHASES)
def test_a_cancelled_pod_stops_in_every_phase(
    plane: AgentPlane,
    make_pod: MakePod,
    make_repository: MakeRepository,
    tmp_path: Path,
    phase: str,
) -> None:
    pids = tmp_path / "pids"
    stay = f"echo begun; echo $$ >> {pids}; exec sleep 300\n"
    pre = f"#!/bin/sh\n{stay if phase == 'preparing' else ''}"
    command = stay if phase == "testing" else f"{WRITE_RESULTS} echo begun"
    plane.order = work_order(*make_repository({".saturnci/pre.sh": pre}), command=command)

    def answer(call: Taken) -> Answer | None:
        """As the control plane does: a cancelled Assignment takes logs alone."""
        if call.name == "results" and not plane.cancel:
            return 503, {}
        return (409, {}) if plane.cancel and call.name in ("results", "finish") else None

    plane.answer = answer
    cancelled = Cancelled(make_pod(SWITCHYARD_BUILD="1"), phase, pids)
    cancelled.reach()
    plane.cancel = True
    cancelled.end()
    assert phase == "uploading" or "Stopped: cancelled\n" in plane.text("system")
    assert ("tests_finished" in plane.events()) is (phase == "uploading")
    assert not NO_CANCEL & set(plane.events())
    assert not plane.has("results") and not plane.has("finish")
    if phase in ("preparing", "testing"):
        (pid,) = wait_for_pids(pids, 1)
        wait_until(lambda: not lives(pid))
        assert "begun\n" in plane.text("system" if phase == "preparing" else "test")


@pytest.mark.parametrize("begun", [False, True])
def test_a_clone_ends_with_the_agent_so_that_nothing_is_built(
    plane: AgentPlane, make_pod: MakePod, begun: bool
) -> None:
    """Also where it waits for a git server that never answers."""
    asked = threading.Event()

    def never(request: Request) -> Reply:
        asked.set()
        return Reply(trouble="late")

    server = Loopback(never)
    server.start()
    plane.order = work_order(f"{server.url}/shop.git", "0" * 40)
    pod = make_pod()
    agent = pod.start_agent()
    pod.wait_for("ctl/claimed")
    try:
        if begun:
            clone = pod.start_clone()
            wait_until(asked.is_set)
        plane.cancel = True
        pod.wait_for("ctl/quit")
        if not begun:
            clone = pod.start_clone()
        assert clone.end(15) == 143
        assert "Stopped: cancelled" in clone.output()
        assert agent.terminate() == 0
    finally:
        server.stop()
    assert not list(pod.checkout.glob("[!.]*")) and not plane.has("events clone_failed")


def test_a_cancelled_pod_runs_no_further_step(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, tmp_path: Path
) -> None:
    pids, touched = tmp_path / "pids", tmp_path / "touched"
    pre = f"#!/bin/sh\necho $$ >> {pids}\nexec sleep 300\n"
    plane.order = work_order(
        *make_repository({".saturnci/pre.sh": pre}), command=f"touch {touched}"
    )
    pod = make_pod()
    agent = pod.start_agent()
    assert pod.start_clone().end() == 0
    tests = pod.start_tests()
    wait_for_pids(pids, 1)
    plane.cancel = True
    pod.finish(agent, tests)
    assert sorted(file.name for file in pod.ctl.glob("step-*")) == ["step-1.sh"]
    assert not touched.exists() and not plane.has("events pre_script_failed")
