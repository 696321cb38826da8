"""Images that are built once, with everything there is: our own processes, the sandbox cluster, its
node that clones, builds, pushes and pulls, and its registry.

A Dockerfile waits in its build for a file, so that each test says when a build ends.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.demo.rails import Rails, suite_run
from sandbox.samples import Sample, commit_all, create_samples
from sandbox.stack import Options, Stack
from sandbox.stack.cluster import NAMESPACE, SandboxCluster
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Json = dict[str, Any]
SECONDS = 120.0
ENDED = ("passed", "failed", "errored", "cancelled")
GATE = 'RUN until [ -e "{gate}" ]; do sleep 0.1; done\n'
SETTINGS = {
    "SWITCHYARD_BACKENDS": "kubernetes",
    "SWITCHYARD_KUBE_PULL_GRACE_SECONDS": "1",
    "SWITCHYARD_KUBE_NO_POD_GRACE_SECONDS": "2",
}


@dataclass(frozen=True, kw_only=True)
class Plane:
    stack: Stack
    cluster: SandboxCluster
    rails: Rails
    samples: dict[str, Sample]
    folder: Path

    def gated(self) -> tuple[Sample, Path]:
        """A repository of its own whose build ends when there is this file."""
        name = f"gated-{secrets.token_hex(4)}"
        gate, sample = self.folder / f"{name}.open", self.samples["passing"]
        folder = create_samples(self.folder / name)["passing"].folder
        dockerfile = sample.dockerfile_text + GATE.format(gate=gate)
        (folder / ".saturnci/Dockerfile").write_text(dockerfile)
        facts = {"folder": folder, "dockerfile_text": dockerfile, "clone_url": folder.as_uri()}
        commit = commit_all(folder, "Wait in the build")
        return replace(sample, name=name, commit=commit, **facts), gate  # type: ignore[arg-type]

    def send(self, sample: Sample, shards: int) -> list[str]:
        """The ids of the Tasks of a new suite run."""
        body = suite_run(sample, shards, {"command": sample.command})
        made = self.rails.call("POST", "/suite_runs", body, key=body["suite_run_id"])
        return [task["id"] for task in made["tasks"]]

    def task(self, task: str) -> Json:
        found: Json = self.rails.call("GET", f"/tasks/{task}")
        return found

    def attempts(self, *tasks: str) -> list[Json]:
        """Of all of them, in order."""
        return [attempt for task in tasks for attempt in self.task(task)["attempts"]]

    def wait_end(self, tasks: list[str]) -> list[str]:
        """Their categories."""
        wait_until(lambda: all(self.task(task)["state"] in ENDED for task in tasks), SECONDS)
        return [self.task(task)["category"] for task in tasks]

    def wait_build(self, tasks: list[str]) -> Json:
        """The one attempt of these that has a Job, once it builds."""

        def building() -> list[Json]:
            found = self.attempts(*tasks)
            return [one for one in found if one["cloned_at"] and not one["closed_at"]]

        wait_until(building, SECONDS)
        (attempt,) = building()
        return attempt

    def jobs(self, tasks: list[str]) -> list[Json]:
        labels = ((job["metadata"]["labels"], job) for job in self.cluster.items("jobs"))
        return [job for found, job in labels if found["switchyard/task"] in tasks]

    def pushed(self, task: str) -> tuple[str, list[str]]:
        """The URL of the repository of this Task's images, and the tags in it."""
        root = f"http://127.0.0.1:{self.cluster.places.registry_port}/v2"
        names = requests.get(f"{root}/_catalog", timeout=10).json()["repositories"]
        for name in names:
            tags = requests.get(f"{root}/{name}/tags/list", timeout=10).json()["tags"]
            if any(tag.startswith(task) for tag in tags):
                return f"{root}/{name}", tags
        raise AssertionError(f"no image of {task} was pushed")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    folder = tmp_path_factory.mktemp("building-once")
    node = ("--pull-seconds", "0.1:0.2")
    options = Options(
        state=folder / "stack", jobs=8, speed=40.0, idle=0, limit=0, settings=SETTINGS, node=node
    )
    stack = Stack(options)
    assert isinstance(stack.cluster, SandboxCluster)
    samples = create_samples(folder / "samples")
    try:
        stack.prepare()
        rails = Rails(stack.url, stack.create_api_key(), samples)
        stack.start()
        yield Plane(stack=stack, cluster=stack.cluster, rails=rails, samples=samples, folder=folder)
    finally:
        stack.stop()


def test_one_of_a_suite_run_builds_and_a_later_suite_run_builds_nothing(plane: Plane) -> None:
    sample, gate = plane.gated()
    tasks = plane.send(sample, 5)
    builder = plane.wait_build(tasks)
    others = [one for one in plane.attempts(*tasks) if one["id"] != builder["id"]]
    assert [one["placed_at"] for one in others] == [None] * 4
    assert len(plane.jobs(tasks)) == 1
    gate.touch()
    assert plane.wait_end(tasks) == ["passed"] * 5
    attempts = plane.attempts(*tasks)
    assert len(attempts) == 5
    followers = [one for one in attempts if one["id"] != builder["id"]]
    assert {one["image_from"] for one in followers} == {builder["id"]}
    assert all(one["image_wait"] > 0 for one in followers)
    assert all(one["built_at"] >= one["cloned_at"] for one in attempts)

    later = plane.send(sample, 3)
    assert plane.wait_end(later) == ["passed"] * 3
    assert {one["image_from"] for one in plane.attempts(*later)} == {builder["id"]}
    assert {one["image_wait"] for one in plane.attempts(*later)} == {0.0}
    task = next(task for task in tasks if plane.attempts(task)[0]["id"] == builder["id"])
    assert plane.pushed(task)[1] == [f"{task}-a1"]


def test_when_the_builder_is_lost_another_one_builds(plane: Plane) -> None:
    sample, gate = plane.gated()
    tasks = plane.send(sample, 3)
    lost = plane.wait_build(tasks)
    (job,) = plane.jobs(tasks)
    name = job["metadata"]["name"]
    path = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/{name}"
    plane.cluster.call("DELETE", path, {"propagationPolicy": "Background"})
    wait_until(lambda: _closed(plane, tasks, lost["id"]), SECONDS)
    builder = plane.wait_build(tasks)
    assert builder["id"] != lost["id"]
    assert len(plane.jobs(tasks)) == 1
    gate.touch()
    assert plane.wait_end(tasks) == ["passed"] * 3
    attempts = plane.attempts(*tasks)
    assert len(attempts) == 4
    runs = [one for one in attempts if one["category"] == "passed"]
    assert sorted(one["image_from"] or "" for one in runs) == ["", builder["id"], builder["id"]]


def _task_of(plane: Plane, tasks: list[str], attempt: Json) -> str:
    return next(task for task in tasks if attempt in plane.attempts(task))


def _closed(plane: Plane, tasks: list[str], attempt: str) -> bool:
    return any(one["id"] == attempt and one["closed_at"] for one in plane.attempts(*tasks))


def test_a_build_that_fails_ends_the_whole_suite_run_with_one_job(plane: Plane) -> None:
    tasks = plane.send(plane.samples["unbuildable"], 5)
    assert plane.wait_end(tasks) == ["build_failed"] * 5
    attempts = plane.attempts(*tasks)
    assert len([one for one in attempts if one["placed_at"]]) == 1
    (builder,) = [one for one in attempts if one["placed_at"]]
    told = f"Task {_task_of(plane, tasks, builder)} built the image for this one, too: "
    assert "A step of the Dockerfile failed" in builder["sentence"]
    others = {one["sentence"] for one in attempts if one["id"] != builder["id"]}
    assert others == {told + builder["sentence"]}

    again = plane.send(plane.samples["unbuildable"], 2)
    assert plane.wait_end(again) == ["build_failed"] * 2
    assert len([one for one in plane.attempts(*again) if one["placed_at"]]) == 1


def test_an_image_that_has_gone_from_the_registry_is_built_anew(plane: Plane) -> None:
    sample, gate = plane.gated()
    gate.touch()
    (first,) = plane.send(sample, 1)
    assert plane.wait_end([first]) == ["passed"]
    url, (tag,) = plane.pushed(first)
    digest = requests.head(f"{url}/manifests/{tag}", timeout=10).headers["Docker-Content-Digest"]
    assert requests.delete(f"{url}/manifests/{digest}", timeout=10).status_code == 202

    (second,) = plane.send(sample, 1)
    assert plane.wait_end([second]) == ["passed"]
    pulled, built = plane.attempts(second)
    assert (pulled["category"], built["image_from"]) == ("image_pull_not_found", None)
    assert pulled["image_from"] == plane.attempts(first)[0]["id"]
