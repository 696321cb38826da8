"""One suite run over both backends: two shards on droplets, two in pods, each file once.

The suite runs no RSpec: its command says which files it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from sandbox.samples import COMPOSE_FILE
from tests.sandbox.kubelet_cluster import Cluster
from tests.sandbox.whole_pods import start_job
from tests.worker_image.agent_plane import AgentPlane, work_order
from tests.worker_image.conftest import Agent, item, launch, make_git_repository
from tests.worker_image.control_plane import ControlPlane
from tests.worker_image.legacy_selection import legacy_shards

pytestmark = [pytest.mark.ruby, pytest.mark.slow]

Repository = tuple[str, str]

COUNT, SEED = 4, 2**33 + 7
NAMES = ("a/x", "a.b/q", "a-b/q", "a b/q", "B/z", "b/Z", "a", "A", "a10", "a2", "é", "日本/語", "_")
# With POOR it is an image without specs, to which the checkout brings them, and whose Ruby is none.
DOCKERFILE = """\
FROM ruby:3.3
WORKDIR /app
COPY . .
ARG POOR
RUN mkdir -p tmp bin
RUN if [ "$POOR" ]; then rm -r spec; printf '#!/bin/sh\\nexit 9' > bin/ruby; chmod +x bin/ruby; fi
ENV PATH=/app/bin:$PATH
"""
POOR = f"""\
{COMPOSE_FILE}\
      args: {{POOR: "1"}}
    volumes: ["../spec:/app/spec:ro"]
"""
COMMAND = """#!/usr/bin/env python3
import json, os
ANSWERS = {"selected", "spec-files"}
files = open(os.environ["SWITCHYARD_TEST_FILES_FILE"]).read().splitlines()
assert files == os.environ["SWITCHYARD_TEST_FILES"].splitlines()
examples = [{"file_path": file, "status": "passed"} for file in files]
summary = {"example_count": len(files), "failure_count": 0, "errors_outside_of_examples_count": 0}
with open(os.environ["SWITCHYARD_RESULTS"], "w") as results:
    json.dump({"examples": examples, "summary": summary}, results)
print("chosen by", sorted(set(os.listdir(os.environ.get("SWITCHYARD_OUT_DIR", "."))) & ANSWERS))
"""
TEXTS = {
    ".saturnci/test": COMMAND,
    ".saturnci/Dockerfile": DOCKERFILE,
    "spec/.hidden/h_spec.rb": "",
    "spec/a_helper.rb": "",
    **{f"spec/{name}_spec.rb": "" for name in NAMES},
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_git_repository(tmp_path / "repository", TEXTS)


@pytest.fixture
def run_on_droplet(tmp_path: Path, repository: Repository) -> Iterator[Callable[[int], list[str]]]:
    """Carries out the shard with this order index: the files that it ran."""
    agents: list[Agent] = []

    def run(index: int) -> list[str]:
        plane = ControlPlane()
        order = item(*repository, rspec_seed=SEED, number_of_concurrent_runs=COUNT)
        plane.items = [{**order, "run_order_index": index}]
        plane.start()
        try:
            agents.append(launch(plane, tmp_path / f"droplet-{index}"))
            assert agents[-1].end() == 0
        finally:
            plane.stop()
        examples = plane.only("POST json_output").json["examples"]
        return [example["file_path"] for example in examples]

    yield run
    for agent in agents:
        agent.kill()


@pytest.fixture
def run_in_pod(
    cluster: Cluster, repository: Repository
) -> Iterator[Callable[[int, str], tuple[list[str], str]]]:
    """The same in a pod with this compose file; with what the tests said."""
    with ExitStack() as stack:

        def run(index: int, compose: str) -> tuple[list[str], str]:
            order = work_order(*repository, order_count=COUNT, seed=SEED)
            plane = AgentPlane(order={**order, "order_index": index})
            plane.start()
            stack.callback(plane.stop)
            texts, image = (compose, DOCKERFILE), f"{cluster.registry_host}/acme/shop:{index}"
            pod = start_job(cluster, repository, texts, plane=plane, attempt=index, image=image)
            pod.wait_end("Succeeded")
            examples = plane.only("results").json["examples"]
            return [example["file_path"] for example in examples], plane.text("test")

        yield run


def test_a_suite_run_over_both_backends_runs_each_file_once_as_the_legacy_agent_would(
    repository: Repository,
    run_on_droplet: Callable[[int], list[str]],
    run_in_pod: Callable[[int, str], tuple[list[str], str]],
) -> None:
    by_ruby, said = run_in_pod(2, COMPOSE_FILE)
    by_list, also_said = run_in_pod(3, POOR)
    shards = [run_on_droplet(1), by_ruby, by_list, run_on_droplet(4)]
    checkout = Path(url2pathname(urlsplit(repository[0]).path))
    assert shards == legacy_shards(checkout, seed=SEED, count=COUNT)
    assert sorted(sum(shards, [])) == sorted(f"./spec/{name}_spec.rb" for name in NAMES)
    assert (said, also_said) == ("chosen by ['selected']\n", "chosen by ['spec-files']\n")
