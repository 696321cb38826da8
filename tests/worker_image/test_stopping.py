"""When the work is taken away, or time is up: everything ends, and nothing false is reported."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from sandbox.samples import Sample
from tests.waiting import wait_until
from tests.worker_image.conftest import (
    MakeRepository,
    StartAgent,
    item,
    lives,
    sample_item,
    wait_for_pids,
)
from tests.worker_image.control_plane import Answer, ControlPlane, Recorded

Samples = dict[str, Sample]

PASSING_JSON = '{"examples": [], "summary": {"example_count": 1, "failure_count": 0}}'


def long_tests(pids: Path, *, stubborn: bool = False) -> str:
    """A command that writes passing results at once and never ends: with a child in its process
    group, and one that has left it. Stubborn ones ignore TERM."""
    return f"""
        {"trap '' TERM" if stubborn else ":"}
        printf '%s' '{PASSING_JSON}' > "$SWITCHYARD_RESULTS"
        echo begun
        echo $$ >> {pids}
        sleep 300 & echo $! >> {pids}
        setsid sh -c 'echo $$ >> {pids}; sleep 300' &
        wait; sleep 300
    """


def assert_gone(pids: list[int]) -> None:
    assert [pid for pid in pids if lives(pid)] == []


def test_a_cancelled_task_stops_with_all_its_processes_and_sends_its_logs(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, tmp_path: Path
) -> None:
    command = long_tests(tmp_path / "pids")
    control_plane.items = [sample_item(samples["passing"], command=command)]
    agent = start_agent()
    pids = wait_for_pids(tmp_path / "pids", 3)
    control_plane.items = []
    assert agent.end() == 0
    assert_gone(pids)
    assert "begun\n" in control_plane.text("test_output")
    assert 'COMMAND_EXIT_CODE="143"' in control_plane.text("test_output")
    assert "Stopped: cancelled" in control_plane.text("system_logs")
    assert not control_plane.has("POST json_output")
    assert not control_plane.has("POST task_finished_events")
    assert control_plane.names()[-1] == "DELETE runner"
    assert list(agent.work_dir.iterdir()) == []


def test_another_assignment_in_its_place_stops_it_too_and_kills_what_ignores_term(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, tmp_path: Path
) -> None:
    command = long_tests(tmp_path / "pids", stubborn=True)
    control_plane.items = [sample_item(samples["passing"], command=command)]
    agent = start_agent(SWITCHYARD_GRACE_SECONDS="0.5")
    pids = wait_for_pids(tmp_path / "pids", 3)
    control_plane.items = [sample_item(samples["passing"], command=command)]
    assert agent.end() == 0
    assert_gone(pids)
    assert 'COMMAND_EXIT_CODE="137"' in control_plane.text("test_output")
    assert not control_plane.has("POST task_finished_events")


def test_one_empty_answer_alone_stops_nothing(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    polls: list[str] = []

    def answer(call: Recorded) -> Answer | None:
        started = control_plane.has("POST task_events test_suite_started")
        if call.method == "GET" and started:
            polls.append(call.name)
            return (200, b"[]") if len(polls) == 1 else None
        return None

    control_plane.answer = answer
    command = f"until [ -e {go} ]; do sleep 0.05; done"
    control_plane.items = [sample_item(samples["passing"], command=command)]
    agent = start_agent()
    wait_until(lambda: len(polls) >= 2)
    go.touch()
    assert agent.end() == 0
    assert control_plane.has("POST task_finished_events")


@pytest.mark.parametrize("refused", ["task_events test_suite_started", "test_output"])
def test_a_superseded_agent_stops(
    control_plane: ControlPlane,
    start_agent: StartAgent,
    samples: Samples,
    tmp_path: Path,
    refused: str,
) -> None:
    control_plane.answer = lambda call: (409, b"") if call.name == f"POST {refused}" else None
    command = long_tests(tmp_path / "pids")
    control_plane.items = [sample_item(samples["passing"], command=command)]
    agent = start_agent()
    assert agent.end() == 0
    pids = tmp_path / "pids"
    assert_gone([int(line) for line in pids.read_text().splitlines()] if pids.exists() else [])
    assert not control_plane.has("POST json_output")
    assert not control_plane.has("POST task_finished_events")


@pytest.mark.parametrize(
    "refused", ["worker_events assignment_acknowledged", "task_events runner_ready"]
)
def test_an_assignment_that_is_gone_already_is_not_cloned(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, refused: str
) -> None:
    control_plane.answer = lambda call: (409, b"") if call.name == f"POST {refused}" else None
    control_plane.items = [sample_item(samples["passing"])]
    start_agent().end()
    assert not control_plane.has("POST task_events repository_cloned")
    assert not control_plane.has("POST task_finished_events")


def test_a_worker_that_is_refused_again_and_again_gives_up(
    control_plane: ControlPlane, start_agent: StartAgent
) -> None:
    control_plane.answer = lambda call: (401, b"") if call.method == "GET" else None
    assert start_agent().end() == 1
    assert control_plane.names()[-1] == "POST worker_events error"


def test_an_assignment_that_cannot_be_read_is_an_error_naming_the_key(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    control_plane.items = [sample_item(samples["passing"], commit_hash="main; reboot")]
    agent = start_agent()
    assert agent.end() == 1
    assert "commit_hash is 'main; reboot'" in agent.output[0]
    assert control_plane.names()[-1] == "POST worker_events error"
    assert not control_plane.has("POST worker_events assignment_acknowledged")


def test_a_timeout_ends_the_tests_and_is_never_a_pass(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, tmp_path: Path
) -> None:
    command = "trap 'exit 0' TERM\n" + long_tests(tmp_path / "pids")
    control_plane.items = [sample_item(samples["passing"], command=command, timeout_seconds=4)]
    agent = start_agent()
    pids = wait_for_pids(tmp_path / "pids", 3)
    assert agent.end() == 0
    assert_gone(pids)
    detail = "the Task's timeout is over: 4 seconds from the work order"
    assert control_plane.only("POST task_events timed_out").json["detail"] == detail
    assert detail in control_plane.text("system_logs")
    assert 'COMMAND_EXIT_CODE="0"' in control_plane.text("test_output")
    assert not control_plane.has("POST json_output")
    assert control_plane.names()[-2:] == ["POST task_finished_events", "DELETE runner"]


def test_the_timeout_counts_for_the_build_too(
    control_plane: ControlPlane, start_agent: StartAgent, make_repository: MakeRepository
) -> None:
    url, commit = make_repository({".saturnci/Dockerfile": "FROM x\nRUN sleep 300\n"})
    control_plane.items = [item(url, commit, timeout_seconds=1)]
    assert start_agent().end() == 0
    assert control_plane.has("POST task_events timed_out")
    assert not control_plane.has("POST test_output")
    assert control_plane.has("POST task_finished_events")


def test_term_ends_an_idle_agent_at_once(
    control_plane: ControlPlane, start_agent: StartAgent
) -> None:
    agent = start_agent(SWITCHYARD_POLL_SECONDS="60")
    wait_until(lambda: control_plane.has("GET worker_assignments"))
    began = time.monotonic()
    agent.process.send_signal(signal.SIGTERM)
    assert agent.end() == 0
    assert time.monotonic() - began < 10


def test_term_ends_the_work_and_leaves_nothing_running(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, tmp_path: Path
) -> None:
    command = long_tests(tmp_path / "pids")
    control_plane.items = [sample_item(samples["passing"], command=command)]
    agent = start_agent()
    pids = wait_for_pids(tmp_path / "pids", 3)
    agent.process.send_signal(signal.SIGTERM)
    assert agent.end() == 0
    assert_gone(pids)
    assert "Stopped: terminated" in control_plane.text("system_logs")
    assert not control_plane.has("POST json_output")
    assert not control_plane.has("POST task_finished_events")
    assert list(agent.work_dir.iterdir()) == []


def test_term_is_obeyed_while_the_control_plane_is_away(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, tmp_path: Path
) -> None:
    command = long_tests(tmp_path / "pids")
    control_plane.items = [sample_item(samples["passing"], command=command)]
    agent = start_agent(SWITCHYARD_GRACE_SECONDS="0.5")
    pids = wait_for_pids(tmp_path / "pids", 3)
    control_plane.stop()
    agent.process.send_signal(signal.SIGTERM)
    assert agent.end(seconds=20) == 0
    assert_gone(pids)


def test_a_killed_agent_leaves_nothing_running(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, tmp_path: Path
) -> None:
    command = long_tests(tmp_path / "pids", stubborn=True)
    control_plane.items = [sample_item(samples["passing"], command=command)]
    agent = start_agent(SWITCHYARD_GRACE_SECONDS="0.5")
    pids = wait_for_pids(tmp_path / "pids", 3)
    agent.process.kill()
    wait_until(lambda: not any(map(lives, pids)))


def test_a_killed_keeper_leaves_nothing_running_either(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, tmp_path: Path
) -> None:
    command = long_tests(tmp_path / "pids")
    control_plane.items = [sample_item(samples["passing"], command=command)]
    agent = start_agent()
    pids = wait_for_pids(tmp_path / "pids", 3)
    stat = Path(f"/proc/{pids[0]}/stat").read_text()
    keeper = int(stat.rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    assert agent.end() == 0
    assert_gone(pids)
    assert 'COMMAND_EXIT_CODE="137"' in control_plane.text("test_output")


def test_what_a_step_leaves_in_the_background_does_not_outlive_it(
    control_plane: ControlPlane,
    start_agent: StartAgent,
    make_repository: MakeRepository,
    tmp_path: Path,
) -> None:
    pre_script = f"#!/bin/sh\nsleep 300 &\necho $! > {tmp_path}/pid\n"
    command = f"kill -0 $(cat {tmp_path}/pid) && echo alive || echo gone"
    url, commit = make_repository({".saturnci/pre.sh": pre_script})
    control_plane.items = [item(url, commit, command=command)]
    assert start_agent().end() == 0
    assert "gone\n" in control_plane.text("test_output")
