"""What a Task comes to: verdicts, failed steps, which tests are run."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from sandbox.samples import Sample
from tests.waiting import wait_until
from tests.worker_image.conftest import (
    TOKEN,
    WORKER_ID,
    Agent,
    MakeRepository,
    StartAgent,
    item,
    launch,
    sample_item,
    trailer,
)
from tests.worker_image.control_plane import ControlPlane

Samples = dict[str, Sample]


@pytest.fixture(scope="module")
def passing_run(
    tmp_path_factory: pytest.TempPathFactory, samples: Samples
) -> Iterator[tuple[ControlPlane, Agent]]:
    """One run of a Task that passes, over: several tests look at what was recorded."""
    plane = ControlPlane(items=[sample_item(samples["passing"])])
    plane.start()
    agent = launch(plane, tmp_path_factory.mktemp("agent") / "work")
    try:
        assert agent.end() == 0
        yield plane, agent
    finally:
        agent.kill()
        plane.stop()


def test_it_makes_the_calls_of_the_protocol_in_their_order(
    passing_run: tuple[ControlPlane, Agent],
) -> None:
    plane, _ = passing_run
    assert plane.names() == [
        "POST worker_events ready_signal_received",
        "POST worker_events assignment_acknowledged",
        "POST task_events runner_ready",
        "POST github_tokens",
        "POST task_events repository_cloned",
        "POST task_events pre_script_started",
        "POST task_events pre_script_finished",
        "POST task_events test_suite_started",
        "POST json_output",
        "POST task_finished_events",
        "DELETE runner",
    ]
    assert trailer(plane) == "0"


def test_it_removes_what_it_wrote(passing_run: tuple[ControlPlane, Agent]) -> None:
    _, agent = passing_run
    assert list(agent.work_dir.iterdir()) == []


def test_every_call_carries_the_workers_credentials_and_a_content_type(
    passing_run: tuple[ControlPlane, Agent],
) -> None:
    plane, _ = passing_run
    basic = "Basic " + base64.b64encode(f"{WORKER_ID}:{TOKEN}".encode()).decode()
    assert {call.headers["Authorization"] for call in plane.calls} == {basic}
    assert {call.headers["Connection"] for call in plane.calls} == {"close"}
    logs = ("POST system_logs", "POST test_output")
    types = {(call.name in logs, call.headers["Content-Type"]) for call in plane.calls}
    assert types == {(False, "application/json"), (True, "text/plain")}
    assert plane.only("POST task_finished_events").body == b""
    assert plane.only("POST github_tokens").json == {"github_installation_id": "77"}


def test_logs_are_base64_in_lines_of_60_with_a_newline_more_after_each_line(
    passing_run: tuple[ControlPlane, Agent],
) -> None:
    plane, _ = passing_run
    calls = plane.named("POST test_output") + plane.named("POST system_logs")
    bodies = [call.body for call in calls]
    for body in bodies:
        *full, last = body.splitlines(keepends=True)
        assert {len(line) for line in full} <= {61} and 1 < len(last) <= 61
        assert body.endswith(b"\n")
    text = b"".join(map(base64.b64decode, bodies))
    assert b"examples, 0 failures\n\n" in text and b"Ready for the tests\n\n" in text


def test_a_chunk_of_a_log_says_where_it_begins(passing_run: tuple[ControlPlane, Agent]) -> None:
    plane, _ = passing_run
    expected = 0
    for call in plane.named("POST system_logs"):
        assert int(call.headers["Switchyard-Offset"]) == expected
        expected += len(base64.b64decode(call.body).replace(b"\n\n", b"\n"))
    assert expected > 0


def test_the_log_of_the_tests_is_complete_before_the_results(
    passing_run: tuple[ControlPlane, Agent],
) -> None:
    plane, _ = passing_run
    names = [call.name for call in plane.calls]
    last_output = len(names) - 1 - names[::-1].index("POST test_output")
    assert last_output < names.index("POST json_output")


def test_results_go_up_as_the_tests_wrote_them(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    control_plane.items = [sample_item(samples["failing"])]
    assert start_agent().end() == 0
    call = control_plane.only("POST json_output")
    assert call.headers["X-Filename"] == "rspec.json"
    assert call.json["summary"]["failure_count"] == 1
    failed = [example for example in call.json["examples"] if example["status"] == "failed"]
    assert [example["file_path"] for example in failed] == list(samples["failing"].failing_files)
    assert call.json["seed"] == 42
    assert trailer(control_plane) == "1"
    assert control_plane.has("POST task_finished_events")


def test_it_waits_until_there_is_an_assignment(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    agent = start_agent()
    wait_until(lambda: len(control_plane.named("GET worker_assignments")) >= 3)
    assert control_plane.names() == ["POST worker_events ready_signal_received"]
    control_plane.items = [sample_item(samples["passing"])]
    assert agent.end() == 0
    assert control_plane.has("POST task_finished_events")


def test_a_failed_build_is_reported_with_the_line_that_failed(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    control_plane.items = [sample_item(samples["unbuildable"])]
    assert start_agent().end() == 0
    event = control_plane.only("POST task_events build_failed").json
    assert "line 4 of the Dockerfile: RUN echo" in event["detail"]
    assert "requirements-that-nobody-wrote.txt: No such file" in event["detail"]
    assert event["detail"] in control_plane.text("system_logs")
    assert not control_plane.has("POST task_events pre_script_started")
    assert not control_plane.has("POST json_output")
    assert not control_plane.has("POST test_output")
    assert control_plane.names()[-2:] == ["POST task_finished_events", "DELETE runner"]


def test_a_failed_pre_script_is_started_and_never_finished(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    control_plane.items = [sample_item(samples["unprepared"])]
    assert start_agent().end() == 0
    assert control_plane.names()[-3:] == [
        "POST task_events pre_script_started",
        "POST task_finished_events",
        "DELETE runner",
    ]
    assert "The database does not answer" in control_plane.text("system_logs")
    assert "pre.sh failed with exit code 3" in control_plane.text("system_logs")


@pytest.mark.parametrize("wrong", ["commit", "repository"])
def test_a_failed_clone_is_reported_as_such(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples, wrong: str
) -> None:
    sample = samples["passing"]
    url = sample.clone_url if wrong == "commit" else sample.clone_url + "-is-not-there"
    control_plane.items = [item(url, "0" * 40)]
    assert start_agent().end() == 0
    event = control_plane.only("POST task_events clone_failed").json
    assert "git" in event["detail"]
    assert "fatal" in control_plane.text("system_logs")
    assert not control_plane.has("POST task_events repository_cloned")
    assert control_plane.has("POST task_finished_events")


def test_results_that_came_with_the_repository_are_not_sent(
    control_plane: ControlPlane, start_agent: StartAgent, make_repository: MakeRepository
) -> None:
    committed = json.dumps({"examples": [], "summary": {"example_count": 3}})
    control_plane.items = [
        item(*make_repository({"tmp/rspec.json": committed}), command="echo no results")
    ]
    start_agent().end()
    assert not control_plane.has("POST json_output")
    assert "rspec.json is not sent" in control_plane.text("system_logs")
    assert trailer(control_plane) == "0"


def test_results_over_the_limit_are_not_sent(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    command = 'truncate -s 52428801 "$SWITCHYARD_RESULTS"'
    control_plane.items = [sample_item(samples["passing"], command=command)]
    start_agent().end()
    assert not control_plane.has("POST json_output")
    assert "52428801 bytes are over the limit" in control_plane.text("system_logs")
    assert control_plane.has("POST task_finished_events")


def test_screenshots_go_up_one_by_one(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    command = "mkdir -p tmp/capybara; for n in b a; do printf png-$n > tmp/capybara/$n.png; done"
    control_plane.items = [sample_item(samples["passing"], command=command)]
    start_agent().end()
    calls = control_plane.named("POST test_failure_screenshots")
    sent = [(call.headers["X-Filename"], call.headers["Content-Type"], call.body) for call in calls]
    assert sent == [("a.png", "image/png", b"png-a"), ("b.png", "image/png", b"png-b")]


@pytest.mark.parametrize(("command", "code"), [("kill -9 $$", "137"), ("kill -15 $$", "143")])
def test_a_killed_test_process_ends_with_128_and_the_signal(
    control_plane: ControlPlane,
    start_agent: StartAgent,
    samples: Samples,
    command: str,
    code: str,
) -> None:
    control_plane.items = [sample_item(samples["passing"], command=command)]
    start_agent().end()
    assert trailer(control_plane) == code


def test_the_environment_of_the_build_reaches_the_tests_and_the_agents_own_does_not(
    control_plane: ControlPlane, start_agent: StartAgent, make_repository: MakeRepository
) -> None:
    dockerfile = "FROM x\nENV COLOUR=green LEVEL=1\nWORKDIR /app\nCOPY . .\nRUN pwd > built\n"
    url, commit = make_repository({".saturnci/Dockerfile": dockerfile})
    command = "env; test -f built"
    env_vars = {"LEVEL": "2", "COLOUR": None, "OWN": "yes"}
    control_plane.items = [item(url, commit, command=command, env_vars=env_vars)]
    start_agent().end()
    output = control_plane.text("test_output")
    assert trailer(control_plane) == "0"
    assert "LEVEL=2\n" in output and "OWN=yes\n" in output and "COLOUR" not in output
    assert "WORKER_ACCESS_TOKEN" not in output and "SATURNCI_API_HOST" not in output
