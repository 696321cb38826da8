"""Every sample that droplets can run ends on one as its repository demands."""

from __future__ import annotations

import pytest

from sandbox.samples import RECIPES, Sample
from tests.worker_image.conftest import StartAgent, sample_item, trailer
from tests.worker_image.control_plane import ControlPlane

ON_DROPLETS = [name for name, recipe in RECIPES.items() if "droplets" in recipe.backends]


def category(plane: ControlPlane) -> str:
    """As the control plane would read the calls."""
    if plane.has("POST task_events build_failed"):
        return "build_failed"
    started = plane.has("POST task_events pre_script_started")
    if started and not plane.has("POST task_events pre_script_finished"):
        return "pre_script_failed"
    failures = plane.only("POST json_output").json["summary"]["failure_count"]
    assert (trailer(plane) == "0") == (failures == 0)
    return "failed" if failures else "passed"


@pytest.mark.parametrize("name", ON_DROPLETS)
def test_a_sample_ends_on_a_droplet_as_its_repository_demands(
    control_plane: ControlPlane, start_agent: StartAgent, samples: dict[str, Sample], name: str
) -> None:
    control_plane.items = [sample_item(samples[name])]
    assert start_agent().end() == 0
    assert category(control_plane) == samples[name].category


def test_the_shards_that_have_a_failing_file_fail_and_no_others(
    start_agent: StartAgent, samples: dict[str, Sample]
) -> None:
    sample, ended = samples["failing_twice"], {}
    for index in range(1, 4):
        plane = ControlPlane()
        plane.items = [sample_item(sample, run_order_index=index, number_of_concurrent_runs=3)]
        plane.start()
        assert start_agent(plane).end() == 0
        plane.stop()
        examples = plane.only("POST json_output").json["examples"]
        hit = {example["file_path"] for example in examples} & set(sample.failing_files)
        assert category(plane) == ("failed" if hit else "passed")
        ended[index] = hit
    assert set.union(*ended.values()) == set(sample.failing_files)
