"""What the agent's image is made by: the Dockerfile, and the compose file for a trial."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from kube.manifest import ours
from kube.planner.dockerfile import parse, words_of
from kube.planner.plan import Plan
from kube.planner.planning import Sources, plan
from tests.kube.making import make_settings
from tests.worker_image.trial import FOLDER, NAME, SERVICE, VARIABLE, environment
from worker_image.switchyard_agent import __main__ as program
from worker_image.switchyard_agent.settings import read_settings

DOCKERFILE = (FOLDER / "Dockerfile").read_text()


def test_our_own_planner_takes_it() -> None:
    compose = yaml.safe_dump({"services": {NAME: {"build": SERVICE["build"]}}})
    found = plan(
        Sources(
            compose_text=compose,
            dockerfile_text=DOCKERFILE,
            compose_path="docker-compose.yml",
            dockerfile_path="Dockerfile",
            service=NAME,
        )
    )
    assert isinstance(found, Plan), found
    assert set(found.build.args) == {"BASE", "BUSYBOX"}


def test_its_bases_are_given_and_have_no_default() -> None:
    instructions = parse(DOCKERFILE)
    bases = [words_of(found.text)[0] for found in instructions if found.keyword == "FROM"]
    arguments = [found.text for found in instructions if found.keyword == "ARG"]
    assert sorted(bases) == ["${BASE}", "${BUSYBOX}"]
    assert sorted(arguments) == ["BASE", "BUSYBOX"]


def test_it_runs_as_whom_the_manifest_says() -> None:
    uid = make_settings().agent_uid
    assert parse(DOCKERFILE)[-3].text == f"{uid}:{uid}"
    assert f"switchyard:x:{uid}:{uid}:" in DOCKERFILE


def test_it_starts_what_the_manifest_starts() -> None:
    assert parse(DOCKERFILE)[-1].text == json.dumps(ours.PROGRAM)


def test_all_that_is_copied_is_let_into_the_context() -> None:
    ignored = (FOLDER / ".dockerignore").read_text().splitlines()
    copied = [
        words_of(found.text)[0]
        for found in parse(DOCKERFILE)
        if found.keyword == "COPY" and not found.flags
    ]
    assert sorted(copied) == ["switchyard_agent", "wrapper"]
    for name in copied:
        assert (FOLDER / name).exists()
        assert f"!{name}" in ignored


def test_the_trial_builds_here() -> None:
    build: dict[str, Any] = SERVICE["build"]
    assert (FOLDER / build["context"] / build.get("dockerfile", "Dockerfile")).is_file()


@pytest.mark.parametrize("given", [{}, {"SWITCHYARD_POLL_SECONDS": "1.5"}])
def test_the_trial_starts_an_agent_that_polls(given: dict[str, str]) -> None:
    found = read_settings(environment(WORKER_ID="w-1", WORKER_ACCESS_TOKEN="t", **given))
    assert (found.worker_id, found.worker_access_token) == ("w-1", "t")
    assert found.api_host == "http://host.docker.internal:8000"
    assert found.poll_seconds == float(given.get("SWITCHYARD_POLL_SECONDS", 5))
    assert SERVICE["command"] == ["poll"] and "poll" in program.MODES


def test_the_trial_reaches_this_machine_by_the_name_that_it_uses() -> None:
    names = [entry.partition(":")[0] for entry in SERVICE["extra_hosts"]]
    url = environment(WORKER_ID="", WORKER_ACCESS_TOKEN="")["SATURNCI_API_HOST"]
    assert urlsplit(url).hostname in names


def test_the_trial_writes_only_where_it_may() -> None:
    folders = [entry.partition(":")[0] for entry in SERVICE["tmpfs"]]
    assert SERVICE["read_only"] is True
    assert {SERVICE["environment"][name] for name in ("HOME", "SWITCHYARD_WORK_DIR")} == set(
        folders
    )


def test_every_variable_of_the_trial_is_documented() -> None:
    readme = (FOLDER / "README.md").read_text()
    names = {name for name, _, _ in VARIABLE.findall((FOLDER / "docker-compose.yml").read_text())}
    assert {"BASE", "BUSYBOX", "WORKER_ID"} <= names
    assert {name for name in names if f"`{name}`" not in readme} == set()
