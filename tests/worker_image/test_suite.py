"""What a Task runs, and with which files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.samples import Sample
from tests.worker_image.conftest import MakeRepository, StartAgent, item, sample_item, trailer
from tests.worker_image.control_plane import ControlPlane
from tests.worker_image.needed import needed

Samples = dict[str, Sample]

WRITE_RESULTS = (
    """printf '{"examples": [], "summary": {"example_count": 1}}' > "$SWITCHYARD_RESULTS"; """
)


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
    return Path(needed("rspec", "ruby-rspec"))
