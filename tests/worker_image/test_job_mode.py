"""A pod from the claim to the end: what it comes to, and in which order it is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.samples import Sample
from tests.worker_image.agent_plane import TOKEN, AgentPlane, work_order
from tests.worker_image.busyboxes import make_busybox
from tests.worker_image.conftest import MakePod
from tests.worker_image.pods import Container, Pod

Samples = dict[str, Sample]

# What the samples' Dockerfile does.
RUN_LINE = "mkdir -p tmp && ls spec > tmp/built"


def sample_order(sample: Sample, **changes: Any) -> dict[str, Any]:
    return work_order(sample.clone_url, sample.commit, **changes)


def run_sample(pod: Pod, sample: Sample, **changes: Any) -> Container:
    pod.variables["SAMPLE_SECONDS"] = "0"
    pod.plane.order = sample_order(sample, **changes)
    return pod.run(run_line=RUN_LINE)


@pytest.fixture(scope="module")
def passing_run(
    tmp_path_factory: pytest.TempPathFactory, samples: Samples
) -> Iterator[tuple[AgentPlane, Pod]]:
    """One run of a Task that passes, over, with a builder: several tests look at it."""
    sample = samples["passing"]
    plane = AgentPlane(order=sample_order(sample), token="ghs_token")
    plane.start()
    folder = tmp_path_factory.mktemp("pod")
    pod = Pod(
        plane,
        folder / "pod",
        make_busybox("machine", folder),
        variables={"SAMPLE_SECONDS": "0"},
        SWITCHYARD_BUILD="1",
    )
    try:
        agent = pod.start_agent()
        assert pod.start_clone().end() == 0
        pod.build("RUN mkdir\nPushed\n", digest="sha256:" + "0" * 64)
        pod.finish(agent, pod.start_tests(run_line=RUN_LINE))
        yield plane, pod
    finally:
        pod.end()
        plane.stop()


def test_everything_is_told_in_its_order(passing_run: tuple[AgentPlane, Pod]) -> None:
    plane, _ = passing_run
    assert plane.names() == [
        "claim",
        "git-token",
        "events cloned",
        "events build_started",
        "events build_finished",
        "events services_ready",
        "events pre_script_started",
        "events pre_script_finished",
        "events tests_started",
        "events tests_finished",
        "results",
        "finish",
    ]


def test_every_call_carries_the_token_and_the_version(
    passing_run: tuple[AgentPlane, Pod],
) -> None:
    plane, _ = passing_run
    carried = {
        (call.headers["Authorization"], call.headers["Switchyard-Agent"]) for call in plane.calls
    }
    assert carried == {(f"Bearer {TOKEN}", "1")}
    assert TOKEN not in "".join(call.name + str(call.query) for call in plane.calls)


def test_events_are_numbered_and_carry_the_agents_time(
    passing_run: tuple[AgentPlane, Pod],
) -> None:
    plane, _ = passing_run
    told = [call.json for call in plane.calls if call.name.startswith("events ")]
    numbers = [event["seq"] for event in told]
    assert numbers == sorted(set(numbers))
    assert [event["at"] for event in told] == sorted(event["at"] for event in told)


def test_the_final_report_says_how_it_ended_and_when_the_phases_were(
    passing_run: tuple[AgentPlane, Pod],
) -> None:
    plane, _ = passing_run
    report = plane.only("finish").json
    assert report["exit_code"] == 0
    assert report["image_digest"] == "sha256:" + "0" * 64
    assert report["counts"]["results"] == 1
    assert report["counts"]["test_log_bytes"] == len(plane.log("test"))
    assert list(report["phases"]) == plane.events()


def test_each_log_has_what_belongs_there(passing_run: tuple[AgentPlane, Pod]) -> None:
    plane, _ = passing_run
    assert plane.text("build") == "RUN mkdir\nPushed\n"
    assert "examples, 0 failures\n" in plane.text("test")
    assert "Ready for the tests\n" in plane.text("system")


def test_the_log_of_the_tests_is_complete_before_the_results(
    passing_run: tuple[AgentPlane, Pod],
) -> None:
    plane, _ = passing_run
    names = [call.name for call in plane.calls]
    last_output = len(names) - 1 - names[::-1].index("logs test")
    assert last_output < names.index("results")


def test_heartbeats_go_on_from_the_claim_to_the_report(
    passing_run: tuple[AgentPlane, Pod],
) -> None:
    plane, _ = passing_run
    names = [call.name for call in plane.calls]
    assert names.index("claim") < names.index("heartbeat") < names.index("finish")
    assert {"phase", "counters"} == set(plane.named("heartbeat")[0].json)


def test_the_pod_is_let_go_only_after_the_report(passing_run: tuple[AgentPlane, Pod]) -> None:
    plane, pod = passing_run
    assert (pod.ctl / "quit").exists() and (pod.ctl / "claimed").exists()
    assert not (pod.ctl / "refused").exists()


def test_a_failed_suite_is_a_result(plane: AgentPlane, make_pod: MakePod, samples: Samples) -> None:
    run_sample(make_pod(), samples["failing"])
    call = plane.only("results")
    assert call.headers["X-Filename"] == "rspec.json"
    assert call.json["summary"]["failure_count"] == 1
    assert call.json["seed"] == 42
    assert plane.only("finish").json["exit_code"] == 1


def test_a_failed_pre_script_says_how_it_failed(
    plane: AgentPlane, make_pod: MakePod, samples: Samples
) -> None:
    run_sample(make_pod(), samples["unprepared"])
    detail = plane.only("events pre_script_failed").json["detail"]
    assert "pre.sh failed with exit code 3: The database does not answer" in detail
    assert "The database does not answer" in plane.text("system")
    assert plane.names()[-1] == "finish" and not plane.has("results")
    assert plane.only("finish").json["exit_code"] is None


def test_a_step_of_the_dockerfile_that_fails_is_told_with_the_builders_last_line(
    plane: AgentPlane, make_pod: MakePod, samples: Samples
) -> None:
    plane.order = sample_order(samples["unbuildable"])
    pod = make_pod(SWITCHYARD_BUILD="1")
    agent = pod.start_agent()
    assert pod.start_clone().end() == 0
    said = "error building image: failed to execute command: waiting for process: exit status 1"
    pod.build(f"INFO cat requirements\n{said}\n", code=1)
    pod.wait_for("ctl/quit")
    assert agent.terminate() == 0
    assert said in plane.only("events build_failed").json["detail"]
    assert plane.text("build").endswith(f"{said}\n")
    assert plane.names()[-1] == "finish"
    assert plane.only("finish").json == plane.only("finish").json | {"exit_code": None}


@pytest.mark.parametrize(
    "said",
    [
        "error checking push permissions: make sure you entered the correct tag name",
        "failed to execute command: waiting for process to exit: signal: killed",
        "failed to execute command: waiting for process to exit: exit status 137",
        "INFO RUN bundle install",
    ],
)
def test_how_a_build_ends_that_is_not_the_dockerfiles_fault_is_left_to_the_cluster(
    plane: AgentPlane, make_pod: MakePod, samples: Samples, said: str
) -> None:
    plane.order = sample_order(samples["passing"])
    pod = make_pod(SWITCHYARD_BUILD="1")
    agent = pod.start_agent()
    assert pod.start_clone().end() == 0
    pod.build(f"{said}\n", code=1)
    pod.wait_for("ctl/quit")
    assert agent.terminate() == 0
    assert plane.only("events build_ended").json["detail"] == said
    assert plane.text("build") == f"{said}\n"
    assert not plane.has("finish") and not plane.has("events build_failed")


def test_a_failed_clone_says_what_git_said(
    plane: AgentPlane, make_pod: MakePod, samples: Samples
) -> None:
    plane.order = work_order(samples["passing"].clone_url, "0" * 40)
    pod = make_pod()
    agent, clone = pod.start_agent(), pod.start_clone()
    assert clone.end() == 1
    pod.wait_for("ctl/quit")
    assert agent.terminate() == 0
    assert "git" in clone.output()
    detail = plane.only("events clone_failed").json["detail"]
    assert "fatal" in detail and "fatal" in plane.text("system")
    assert plane.names()[-1] == "finish" and not plane.has("events cloned")


def test_a_task_that_cannot_be_read_is_told_and_nothing_is_cloned(
    plane: AgentPlane, make_pod: MakePod, samples: Samples
) -> None:
    plane.order = {**sample_order(samples["passing"]), "commit": "main; reboot"}
    pod = make_pod()
    agent = pod.start_agent()
    pod.wait_for("ctl/refused", "ctl/quit")
    assert agent.terminate() == 0
    detail = plane.only("events agent_error").json["detail"]
    assert "commit is 'main; reboot'" in detail
    assert plane.names()[-1] == "finish" and not (pod.ctl / "claimed").exists()


@pytest.mark.parametrize("busybox", ["busybox", "machine"])
def test_real_tools_do_as_well_as_those_of_the_machine(
    plane: AgentPlane, make_pod: MakePod, samples: Samples, tmp_path: Path, busybox: str
) -> None:
    (tmp_path / "tools").mkdir()
    pod = make_pod()
    pod.busybox = make_busybox(busybox, tmp_path / "tools")
    run_sample(pod, samples["passing"], order_index=2, order_count=4)
    files = {example["file_path"] for example in plane.only("results").json["examples"]}
    assert len(files) == 2


def test_a_sidecar_that_has_done_its_part_stays_until_it_is_told_to_go(
    plane: AgentPlane, make_pod: MakePod, samples: Samples
) -> None:
    plane.order = sample_order(samples["passing"], command="true")
    pod = make_pod()
    agent = pod.start_agent()
    pod.start_clone()
    pod.wait_for("steps/clone.rc")
    assert pod.start_tests(run_line=RUN_LINE).end() == 0
    assert agent.process.poll() is None
    assert agent.terminate(5) == 0
