from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from kube.planner.plan import Plan
from kube.planner.planning import Sources, plan
from sandbox.samples import RECIPES, TEST_COMMAND, Host, create_samples


def test_a_sample_has_the_same_commit_wherever_and_whenever_it_is_made(tmp_path: Path) -> None:
    first = create_samples(tmp_path / "one")
    again = create_samples(tmp_path / "one")
    other = create_samples(tmp_path / "two")
    assert set(first) == set(RECIPES)
    commits = [{name: sample.commit for name, sample in made.items()} for made in (first, again)]
    assert commits[0] == commits[1] == {name: sample.commit for name, sample in other.items()}
    assert len(set(commits[0].values())) == len(RECIPES)


@pytest.mark.parametrize(("name", "code"), [("passing", 0), ("failing", 1)])
def test_its_command_writes_rspec_json_for_the_files_it_is_given(
    tmp_path: Path, name: str, code: int
) -> None:
    sample = create_samples(tmp_path)[name]
    folder = sample.folder
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*_spec.rb"))
    assert len(files) == sample.spec_file_count
    done = subprocess.run(
        [folder / TEST_COMMAND],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "SAMPLE_SECONDS": "0",
            "SWITCHYARD_TEST_FILES": "\n".join(files[:2]),
            "SWITCHYARD_RESULTS": str(tmp_path / "results.json"),
        },
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == code
    document = json.loads((tmp_path / "results.json").read_text())
    seen = {example["file_path"] for example in document["examples"]}
    assert seen == {f"./{file}" for file in files[:2]}
    failed = [example for example in document["examples"] if example["status"] == "failed"]
    assert {example["file_path"] for example in failed} == set(sample.failing_files) & seen
    summary = document["summary"]
    assert summary["example_count"] == len(document["examples"])
    assert summary["failure_count"] == len(failed)
    assert summary["errors_outside_of_examples_count"] == 0


def test_a_sample_tells_the_texts_that_are_in_its_repository(tmp_path: Path) -> None:
    for sample in create_samples(tmp_path).values():
        folder = Path(sample.clone_url.removeprefix("file://")) / ".saturnci"
        assert (folder / "docker-compose.yml").read_text() == sample.compose_text
        assert (folder / "Dockerfile").read_text() == sample.dockerfile_text


def test_a_git_host_and_an_image_may_be_given_that_all_of_it_is_made_of(tmp_path: Path) -> None:
    host = Host(url="http://10.85.0.1:9000", base="10.85.0.1:5000/base:1")
    for name, sample in create_samples(tmp_path, host).items():
        assert sample.clone_url == f"http://10.85.0.1:9000/{name}"
        assert sample.dockerfile_text.startswith("FROM 10.85.0.1:5000/base:1\n")
        assert "python:3" not in sample.compose_text and "postgres:" not in sample.compose_text
        found = plan(
            Sources(compose_text=sample.compose_text, dockerfile_text=sample.dockerfile_text)
        )
        assert isinstance(found, Plan) == ("kubernetes" in sample.backends)
        files = sample.folder / ".saturnci"
        assert (files / "docker-compose.yml").read_text() == sample.compose_text
        assert (files / "Dockerfile").read_text() == sample.dockerfile_text


def test_a_sample_can_be_planned_where_it_is_to_run_on_kubernetes(tmp_path: Path) -> None:
    samples = create_samples(tmp_path)
    planned = {
        name: plan(Sources(compose_text=one.compose_text, dockerfile_text=one.dockerfile_text))
        for name, one in samples.items()
    }
    can = {name for name, found in planned.items() if isinstance(found, Plan)}
    assert can == {name for name, one in samples.items() if "kubernetes" in one.backends}
    assert can != set(samples)
