"""What a Task runs in a pod, and with which files: the same as on a droplet (test_suite.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.samples import Sample
from tests.worker_image.agent_plane import AgentPlane, work_order
from tests.worker_image.busyboxes import make_busybox
from tests.worker_image.conftest import MakePod, MakeRepository
from tests.worker_image.test_job_delivery import WRITE_RESULTS
from tests.worker_image.test_job_mode import run_sample

Samples = dict[str, Sample]


def files_run(plane: AgentPlane) -> list[str]:
    examples = plane.only("results").json["examples"]
    return list(dict.fromkeys(example["file_path"] for example in examples))


def test_a_shard_without_files_runs_nothing_and_passes(
    plane: AgentPlane, make_pod: MakePod, samples: Samples
) -> None:
    run_sample(make_pod(), samples["failing"], order_index=7, order_count=7)
    summary = plane.only("results").json["summary"]
    assert (summary["example_count"], summary["errors_outside_of_examples_count"]) == (0, 0)
    assert plane.only("events shard_empty").json["detail"] == "shard 7 of 7 has no test files"
    assert plane.only("finish").json["exit_code"] == 0


def test_all_shards_together_run_each_file_once(make_pod: MakePod, samples: Samples) -> None:
    sample, run = samples["passing"], []
    for index in range(1, 5):
        with AgentPlane() as plane:
            run_sample(make_pod(plane), sample, order_index=index, order_count=4)
        run.append(files_run(plane))
    assert [len(files) for files in run] == [2, 2, 1, 1]
    assert len(set(sum(run, []))) == sample.spec_file_count


def test_an_explicit_command_wins_over_the_repositorys_own(
    plane: AgentPlane, make_pod: MakePod, samples: Samples
) -> None:
    command = f"{WRITE_RESULTS} echo $RUN_ORDER_INDEX $RSPEC_SEED $BRANCH_NAME; exit 5"
    run_sample(make_pod(), samples["passing"], command=command)
    assert plane.text("test") == "1 42 main\n"
    assert plane.only("results").json["summary"] == {"example_count": 1}
    assert plane.only("finish").json["exit_code"] == 5


def test_explicit_test_files_win_over_the_selection(
    plane: AgentPlane, make_pod: MakePod, samples: Samples
) -> None:
    files = ["spec/checkout_spec.rb", "spec/baskets/tax_spec.rb"]
    place = {"order_index": 9, "order_count": 9}
    run_sample(make_pod(), samples["passing"], test_files=files, **place)
    assert files_run(plane) == [f"./{file}" for file in files]


def test_a_command_without_rspec_files_gets_no_list_of_them(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    command = 'echo "files: ${SWITCHYARD_TEST_FILES-none} ${SWITCHYARD_TEST_FILES_FILE-none}"'
    order = work_order(*make_repository({}), command=command)
    plane.order = {**order, "order_index": 3, "order_count": 3}
    make_pod().run()
    assert plane.text("test") == "files: none none\n"


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({}, "no executable .saturnci/test"),
        ({"spec/a_spec.rb": "", ".saturnci/test": "true"}, "RSpec is not installed here"),
    ],
)
def test_nothing_that_could_be_run_is_an_error_and_no_pass(
    plane: AgentPlane,
    make_pod: MakePod,
    make_repository: MakeRepository,
    tmp_path: Path,
    texts: dict[str, str],
    why: str,
) -> None:
    plane.order = work_order(*make_repository(texts))
    pod = make_pod()
    pod.busybox = make_busybox("busybox", tmp_path)  # brings its own tools
    pod.run(PATH="/nowhere")
    document = plane.only("results").json
    assert document["summary"]["errors_outside_of_examples_count"] == 1
    assert why in document["messages"][0]
    assert plane.only("finish").json["exit_code"] == 127


def test_a_list_that_is_too_long_for_a_variable_is_in_the_file_alone(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    files = [f"spec/{'a' * 150}/{number}_spec.rb" for number in range(1000)]
    command = 'echo "${SWITCHYARD_TEST_FILES-none}"; wc -l < "$SWITCHYARD_TEST_FILES_FILE"'
    plane.order = work_order(*make_repository({}), command=command, test_files=files)
    make_pod().run()
    assert plane.text("test").split() == ["none", "1000"]
