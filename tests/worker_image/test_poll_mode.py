"""What a Task comes to: verdicts, failed steps, which tests are run."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

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
)
from tests.worker_image.control_plane import ControlPlane

Samples = dict[str, Sample]

WRITE_RESULTS = (
    """printf '{"examples": [], "summary": {"example_count": 1}}' > "$SWITCHYARD_RESULTS"; """
)


def trailer(plane: ControlPlane) -> str:
    """The exit code that the log of the tests ends with."""
    pattern = r'\nScript done on [0-9: +-]+ \[COMMAND_EXIT_CODE="(\d+)"\]\n\Z'
    found = re.search(pattern, plane.text("test_output"))
    assert found, plane.text("test_output")
    return found[1]


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


def test_a_shard_without_files_runs_nothing_and_passes(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    control_plane.items = [
        sample_item(samples["failing"], run_order_index=7, number_of_concurrent_runs=7)
    ]
    assert start_agent().end() == 0
    document = control_plane.only("POST json_output").json
    assert document["examples"] == []
    assert document["summary"]["example_count"] == 0
    assert document["summary"]["errors_outside_of_examples_count"] == 0
    event = control_plane.only("POST task_events shard_empty").json
    assert event["detail"] == "shard 7 of 7 has no test files"
    assert trailer(control_plane) == "0"


def test_all_shards_together_run_each_file_once(start_agent: StartAgent, samples: Samples) -> None:
    planes = [ControlPlane() for _ in range(4)]
    agents = []
    for index, plane in enumerate(planes, start=1):
        plane.items = [
            sample_item(samples["passing"], run_order_index=index, number_of_concurrent_runs=4)
        ]
        plane.start()
        agents.append(start_agent(plane))
    assert [agent.end() for agent in agents] == [0, 0, 0, 0]
    per_shard = []
    for plane in planes:
        examples = plane.only("POST json_output").json["examples"]
        per_shard.append({example["file_path"] for example in examples})
        plane.stop()
    assert [len(files) for files in per_shard] == [2, 2, 1, 1]
    assert len(set.union(*per_shard)) == samples["passing"].spec_file_count


def test_an_explicit_command_wins_over_the_repositorys_own(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    command = f"{WRITE_RESULTS} echo $RUN_ORDER_INDEX $RSPEC_SEED $BRANCH_NAME; exit 5"
    control_plane.items = [sample_item(samples["passing"], command=command)]
    start_agent().end()
    assert "1 42 main\n" in control_plane.text("test_output")
    assert control_plane.only("POST json_output").json["summary"] == {"example_count": 1}
    assert trailer(control_plane) == "5"


def test_explicit_test_files_win_over_the_selection(
    control_plane: ControlPlane, start_agent: StartAgent, samples: Samples
) -> None:
    files = ["spec/checkout_spec.rb", "spec/baskets/tax_spec.rb"]
    control_plane.items = [
        sample_item(
            samples["passing"], test_files=files, run_order_index=9, number_of_concurrent_runs=9
        )
    ]
    start_agent().end()
    examples = control_plane.only("POST json_output").json["examples"]
    assert list(dict.fromkeys(example["file_path"] for example in examples)) == [
        f"./{file}" for file in files
    ]


def test_a_command_without_rspec_files_gets_no_list_of_them(
    control_plane: ControlPlane, start_agent: StartAgent, make_repository: MakeRepository
) -> None:
    command = f'{WRITE_RESULTS} echo "files: ${{SWITCHYARD_TEST_FILES-none}}"'
    control_plane.items = [
        item(*make_repository({}), command=command, number_of_concurrent_runs=3, run_order_index=3)
    ]
    start_agent().end()
    assert "files: none\n" in control_plane.text("test_output")


def test_nothing_that_could_be_run_is_an_error_and_no_pass(
    control_plane: ControlPlane, start_agent: StartAgent, make_repository: MakeRepository
) -> None:
    control_plane.items = [item(*make_repository({}))]
    start_agent().end()
    document = control_plane.only("POST json_output").json
    assert document["summary"]["errors_outside_of_examples_count"] == 1
    assert "no executable .saturnci/test" in document["messages"][0]
    assert trailer(control_plane) == "127"


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


@pytest.mark.ruby
def test_rspec_runs_the_files_of_the_shard_and_the_whole_suite_is_counted(
    control_plane: ControlPlane,
    start_agent: StartAgent,
    make_repository: MakeRepository,
    rspec: Path,
) -> None:
    one = "RSpec.describe('n') { it('is') { expect(1).to eq(1) } }\n"
    specs = {f"spec/{name}_spec.rb": one for name in "abc"}
    url, commit = make_repository(specs)
    control_plane.items = [item(url, commit, number_of_concurrent_runs=3, run_order_index=2)]
    assert start_agent().end() == 0
    count = control_plane.only("PATCH suite-1").json
    assert count == {"dry_run_example_count": 3}
    document = control_plane.only("POST json_output").json
    assert document["summary"]["example_count"] == 1
    assert document["seed"] == 42
    assert trailer(control_plane) == "0"


@pytest.fixture
def rspec() -> Path:
    found = shutil.which("rspec")
    if not found:
        pytest.skip("rspec is not installed")
    return Path(found)
