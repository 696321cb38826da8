"""What reaches the tests of a pod, and what of theirs is sent on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.worker_image.agent_plane import TOKEN, AgentPlane, work_order
from tests.worker_image.conftest import MakePod, MakeRepository
from tests.worker_image.legacy_selection import legacy_shards
from tests.worker_image.needed import needed

WRITE_RESULTS = (
    """printf '{"examples": [], "summary": {"example_count": 1}}' > "$SWITCHYARD_RESULTS"; """
)


def test_variables_of_image_task_env_files_and_agent_reach_the_tests_in_their_order(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    show = "#!/usr/bin/env python3\nimport os\nprint(*map('='.join, os.environ.items()), sep='\\n')"
    texts = {
        ".saturnci/test": show,
        ".saturnci/before.env": "OWN=before\nONLY=before\nPLAIN=before\n",
        ".saturnci/after.env": "OWN=after\nGIVEN=after\nodd.name=yes it's\n",
    }
    plane.order = work_order(*make_repository(texts))
    plan = {
        "environment_names": ["GIVEN"],
        "env_files": [
            {"path": ".saturnci/before.env"},
            {"path": ".saturnci/.env", "task_variables": True},
            {"path": ".saturnci/after.env"},
        ],
    }
    pod = make_pod(variables={"OWN": "task", "PLAIN": "task", "odd-too": "task"}, plan=plan)
    pod.run(GIVEN="compose")
    found = dict(line.split("=", 1) for line in plane.text("test").splitlines() if "=" in line)
    wanted = {"OWN": "after", "ONLY": "before", "PLAIN": "task", "GIVEN": "compose"}
    assert {name: found[name] for name in wanted} == wanted
    assert (found["odd.name"], found["odd-too"]) == ("yes it's", "task")
    assert (found["TASK_ID"], found["RSPEC_SEED"], found["BRANCH_NAME"]) == ("task-1", "42", "main")
    assert "SWITCHYARD_TOKEN_FILE" not in found and TOKEN not in plane.text("test")


def test_an_env_file_that_is_not_there_is_the_customers_to_mend(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    plane.order = work_order(*make_repository({}), command="env")
    make_pod(plan={"service": "app", "env_files": [{"path": "missing.env"}]}).run()
    detail = plane.only("events service_failed").json["detail"]
    assert "env_file missing.env of the service app cannot be read" in detail


def test_the_entrypoint_that_compose_gives_comes_before_every_command(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    enter = '#!/bin/sh\necho "entered for $1"\nexec "$@"\n'
    pre = "#!/bin/sh\necho prepared\n"
    url, commit = make_repository({"bin/enter": enter, ".saturnci/pre.sh": pre})
    plane.order = work_order(url, commit, command="echo 'a  b'; exit 4")
    make_pod(plan={"entrypoint": ["./bin/enter"]}).run()
    assert "entered for /bin/sh\nprepared\n" in plane.text("system")
    assert plane.text("test") == "entered for /bin/sh\na  b\n"
    assert plane.only("finish").json["exit_code"] == 4


def test_screenshots_and_several_results_go_up_one_by_one(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    command = (
        f"{WRITE_RESULTS} mkdir -p tmp/capybara;"
        " for n in b a; do printf png-$n > tmp/capybara/$n.png; done;"
        " echo '<testsuite/>' > ${SWITCHYARD_RESULTS%/*}/more.xml"
    )
    plane.order = work_order(*make_repository({}), command=command)
    make_pod().run()
    sent = [
        (call.headers["X-Filename"], call.headers["Content-Type"])
        for call in plane.calls
        if call.name in ("results", "artifacts")
    ]
    assert sent == [
        ("more.xml", "application/xml"),
        ("rspec.json", "application/json"),
        ("a.png", "image/png"),
        ("b.png", "image/png"),
    ]
    assert plane.named("artifacts")[1].body == b"png-b"


def test_results_at_the_usual_place_are_found_too_but_not_those_of_the_repository(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    committed = json.dumps({"examples": [], "summary": {"example_count": 3}})
    url, commit = make_repository({"tmp/rspec.json": committed})
    plane.order = work_order(url, commit, command="echo none")
    make_pod().run()
    assert not plane.has("results")
    written = committed.replace("3", "4")
    plane.order = work_order(url, commit, command=f"printf '%s' '{written}' > tmp/rspec.json")
    make_pod().run()
    assert plane.only("results").json["summary"] == {"example_count": 4}


def test_what_the_memory_limit_killed_is_told_unless_the_tests_passed(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, tmp_path: Path
) -> None:
    events = tmp_path / "memory.events"
    kill = f"printf 'oom_kill 1\\n' > {events}; "
    for code, told in ((137, True), (0, False)):
        events.write_text("oom_kill 0\n")
        plane.calls.clear()
        plane.order = work_order(*make_repository({}), command=f"{kill} exit {code}")
        make_pod().run(SWITCHYARD_CGROUP_DIR=str(tmp_path))
        assert plane.has("events test_oom") is told
        assert plane.only("finish").json["exit_code"] == code


@pytest.mark.ruby
def test_rspec_runs_the_files_of_the_shard_and_the_whole_suite_is_counted(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    needed("rspec", "ruby-rspec")
    one = "RSpec.describe('n') { it('is') { expect(1).to eq(%d) } }\n"
    specs = {f"spec/{name}_spec.rb": one % (name != "b") for name in "abc"}
    repository = make_repository(specs)
    checkout = Path(repository[0].removeprefix("file://"))
    ended = {}
    for index, files in enumerate(legacy_shards(checkout, seed=42, count=3), start=1):
        plane.calls.clear()
        plane.order = work_order(*repository, order_count=3, order_index=index)
        make_pod(instance=plane.instance or "pod-1").run()
        assert plane.only("events examples_counted").json["detail"] == "3"
        document = plane.only("results").json
        assert [example["file_path"] for example in document["examples"]] == files
        assert document["seed"] == 42
        ended[files[0]] = plane.only("finish").json["exit_code"]
    assert ended == {"./spec/a_spec.rb": 0, "./spec/b_spec.rb": 1, "./spec/c_spec.rb": 0}


def test_settings_that_are_wrong_are_named(make_pod: MakePod, plane: AgentPlane) -> None:
    plane.order = work_order("file:///x", "0" * 40)
    agent = make_pod().start_agent(SWITCHYARD_CTL_DIR="/nowhere/at/all")
    assert agent.end() == 2
    assert "SWITCHYARD_CTL_DIR is '/nowhere/at/all': give a folder" in agent.output()
