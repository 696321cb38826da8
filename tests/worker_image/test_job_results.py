"""Results that do not arrive, or not all of them, let nothing pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch import reporting
from tests.waiting import wait_until
from tests.worker_image.agent_plane import AgentPlane, Answer, Taken, work_order
from tests.worker_image.conftest import MakePod, MakeRepository
from tests.worker_image.pods import Pod
from tests.worker_image.test_job_delivery import WRITE_RESULTS, begin
from worker_image.switchyard_agent.job import collecting
from worker_image.switchyard_agent.results import LARGEST_UPLOAD

FOLDER = "R=$SWITCHYARD_OUT_DIR/results; "
TWO_FILES = f"{FOLDER}echo '{{}}' > $R/a.json; echo '{{}}' > $R/b.json; "


def of_results(call: Taken, name: str) -> bool:
    return call.name == "results" and call.headers["X-Filename"] == name


def sent_names(plane: AgentPlane) -> list[str]:
    return [call.headers["X-Filename"] for call in plane.named("results")]


@pytest.mark.parametrize(
    "status,answer",
    [(422, {"error": "b.json is kept, but it is empty."}), (413, "<html>"), (403, {})],
)
def test_results_that_are_refused_let_nothing_pass(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, status: int, answer: str
) -> None:
    """Whoever refuses them, and although the others have arrived and the command said 0."""
    plane.answer = lambda call: (status, answer) if of_results(call, "b.json") else None
    plane.order = work_order(*make_repository({}), command=TWO_FILES)
    make_pod().run()
    assert plane.names()[-3:] == ["results", "events agent_error", "finish"]
    detail = plane.only("events agent_error").json["detail"]
    assert f"b.json: POST /results was answered {status}" in detail
    assert ("it is empty" in detail) is (status == 422)
    assert detail in plane.text("system")


@pytest.mark.parametrize("arrives", ["", "a.json"])
def test_an_exit_code_that_tells_of_a_failure_is_enough_beside_other_results(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, arrives: str
) -> None:
    def answer(call: Taken) -> Answer | None:
        return (413, {}) if call.name == "results" and not of_results(call, arrives) else None

    plane.answer = answer
    plane.order = work_order(*make_repository({}), command=f"{TWO_FILES} exit 1")
    make_pod().run()
    assert plane.only("finish").json["exit_code"] == 1
    assert plane.has("events agent_error") is (not arrives)
    assert "b.json: POST /results was answered 413" in plane.text("system") or not arrives


@pytest.mark.parametrize(
    "write",
    ["ln -s /etc/passwd $R/a.json", "for n in $(seq 1 2000); do echo '{}' >$R/$n.json; done"],
    ids=["no plain file", "too many"],
)
@pytest.mark.parametrize("code", [0, 1])
def test_results_that_are_left_out_let_nothing_pass(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, write: str, code: int
) -> None:
    """They may tell of a failure. An exit code that does is enough."""
    command = f"{FOLDER}{WRITE_RESULTS} {write}; exit {code}"
    plane.order = work_order(*make_repository({}), command=command)
    make_pod().run()
    assert plane.has("results") and plane.only("finish").json["exit_code"] == code
    assert plane.has("events agent_error") is (code == 0)
    if code == 0:
        detail = plane.only("events agent_error").json["detail"]
        assert "results files are not sent and may tell of failures" in detail


def test_an_end_that_cannot_be_told_leaves_no_final_report(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    """Without it the final report would be one of a pass."""
    refused: dict[str, Answer] = {"events agent_error": (403, {}), "results": (413, {})}

    def answer(call: Taken) -> Answer | None:
        return None if of_results(call, "a.json") else refused.get(call.name)

    plane.answer = answer
    plane.order = work_order(*make_repository({}), command=TWO_FILES)
    agent = make_pod().run()
    assert plane.has("results") and not plane.has("finish")
    assert "No final report" in agent.output()


@pytest.mark.parametrize("trouble", ["results", "events agent_error"])
def test_what_is_not_delivered_in_time_leaves_no_final_report(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, trouble: str
) -> None:
    def answer(call: Taken) -> Answer | None:
        if of_results(call, "a.json"):
            return None
        return (503, {}) if call.name == trouble else (413, {}) if call.name == "results" else None

    plane.answer = answer
    order = work_order(*make_repository({}), command=TWO_FILES, timeout_seconds=8)
    plane.order = order
    pod = make_pod(SWITCHYARD_REPORT_SECONDS="1")
    agent, tests = begin(pod)
    pod.finish(agent, tests)
    assert [call.name for call in plane.refused][-1] == trouble
    assert sent_names(plane) == ["a.json"] and not plane.has("finish")


# The agent's container is started again ---------------------------------------------------------


def start_again(pod: Pod, plane: AgentPlane, trouble: Answer, *, last: str) -> None:
    """The agent is killed while `last` is not answered, after `b.json` met trouble; then all is
    well."""

    def answer(call: Taken) -> Answer | None:
        if call.name == last:
            return 503, {}
        return trouble if of_results(call, "b.json") else None

    plane.answer = answer
    agent, tests = begin(pod)
    wait_until(lambda: any(call.name == last for call in plane.refused))
    agent.kill()
    plane.answer = lambda call: None
    pod.finish(pod.start_agent(), tests)


@pytest.mark.parametrize("last", ["events agent_error", "finish"])
def test_a_refusal_is_remembered_over_a_restart(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository, last: str
) -> None:
    plane.order = work_order(*make_repository({}), command=TWO_FILES)
    start_again(make_pod(), plane, (413, {}), last=last)
    names = plane.names()
    assert names.count("events agent_error") == 1 and names[-1] == "finish"
    assert names.index("events agent_error") < names.index("finish")


def test_results_that_wait_for_an_answer_are_sent_again_after_a_restart(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    """The final report is not made before they are answered."""
    plane.order = work_order(*make_repository({}), command=TWO_FILES)
    start_again(make_pod(), plane, (503, {}), last="results")
    assert sent_names(plane) == ["a.json", "b.json"]
    assert plane.names()[-1] == "finish" and not plane.has("events agent_error")


# Many of them -----------------------------------------------------------------------------------


def test_a_file_for_each_of_many_classes_arrives(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    write = "for n in $(seq 1 300); do echo '<testsuite/>' > $R/TEST-$n.xml; done"
    plane.order = work_order(*make_repository({}), command=FOLDER + write)
    make_pod().run()
    assert sorted(sent_names(plane)) == sorted(f"TEST-{n}.xml" for n in range(1, 301))
    assert plane.has("finish") and not plane.has("events agent_error")


def test_no_two_files_arrive_under_one_name(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    """The control plane would take the second one in the place of the first."""
    long = "x" * 220
    files = ["é.xml", "è.xml", "a\\b.xml", " c.xml", "c.xml", f"{long}1.xml", f"{long}2.xml"]
    write = "; ".join(f"echo '<testsuite/>' > \"$R/\"'{name}'" for name in files)
    plane.order = work_order(*make_repository({}), command=f"{FOLDER}{write}")
    make_pod().run()
    names = sent_names(plane)
    assert len(names) == len(set(names)) == len(files)
    assert all(len(name) <= 200 and "\\" not in name for name in names)
    assert "c.xml" in names and "a_b.xml" in names


def test_results_may_only_have_so_many_bytes_together(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    """Those that still fit are sent."""
    sizes = [("a", 50), ("b", 50), ("c", 50), ("d", 50), ("e", 1)]
    write = "; ".join(f"truncate -s {size}M $R/{name}.json" for name, size in sizes)
    plane.order = work_order(*make_repository({}), command=FOLDER + write)
    make_pod().run()
    assert sent_names(plane) == ["a.json", "b.json", "c.json", "e.json"]
    assert "d.json is not sent" in plane.text("system")
    assert "1 of 5 results files" in plane.only("events agent_error").json["detail"]


def test_the_caps_are_those_of_the_control_plane_and_documented() -> None:
    most, together = reporting.MOST_RESULTS, reporting.LARGEST_RESULTS_TOGETHER
    assert (most, together) == (collecting.MOST_RESULTS, collecting.LARGEST_RESULTS)
    assert collecting.LONGEST_NAME == reporting.LONGEST_NAME
    assert LARGEST_UPLOAD == reporting.LARGEST_RESULTS
    text = (Path(collecting.__file__).parents[2] / "README.md").read_text()
    each = f"{LARGEST_UPLOAD // 1024**2} MiB each and {together // 10**6} MB together"
    assert f"{most:,} of them, {each}" in text
