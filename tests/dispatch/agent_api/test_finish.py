"""The final report: what passes and what does not, once and for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest
from django.db import connection

from dispatch.models import Assignment, RefusedReport, TaskEvent
from dispatch.outcomes import Category, TaskState
from tests.dispatch.agent_api.agent import (
    EMPTY,
    GREEN,
    RED,
    Agent,
    cancelled,
    finished,
    make_agent,
    running,
    superseded,
    timed_out,
)
from tests.dispatch.result_files import junit, rspec
from tests.factories import make_assignment

pytestmark = pytest.mark.django_db

OUTSIDE = rspec(errors_outside_of_examples_count=1)
FILES: dict[str, list[bytes]] = {
    "none": [],
    "green": [GREEN],
    "two green": [GREEN, junit("")],
    "green and red": [GREEN, RED],
    "red": [RED],
    "outside": [OUTSIDE],
    "green and outside": [GREEN, OUTSIDE],
    "empty": [EMPTY],
    "broken": [b"{"],
    "green and broken": [GREEN, b"{"],
}
PASSING = {"green", "two green"}
UNREADABLE = {"none", "broken", "green and broken"}


@pytest.mark.parametrize(
    "files,exit_code,ended,surplus", list(product(FILES, [None, 0, 1, 137], ["", "timed_out"],
                                                  [False, True]))
)  # fmt: skip
def test_only_a_clean_and_whole_report_passes(
    files: str, exit_code: int | None, ended: str, surplus: bool
) -> None:
    agent = running(make_assignment(order_index=2))
    if surplus:
        agent.event(1, "shard_empty", "no test files")
    for number, data in enumerate(FILES[files]):
        agent.results(data, f"{number}.json")
    if ended:
        agent.event(2, ended)
    answer = agent.finish(exit_code)
    assert answer.status == 200
    assert answer.json == {"state": expected(files, exit_code, ended, surplus)}
    assert agent.row.exit_code == exit_code


def expected(files: str, exit_code: int | None, ended: str, surplus: bool) -> str:
    if ended:
        return Category.TIMEOUT
    if files in UNREADABLE:
        return Category.NO_VERDICT
    may_pass = files in PASSING or (files == "empty" and surplus)
    return Category.PASSED if may_pass and not exit_code else Category.FAILED


def test_a_finish_without_results_is_no_verdict_whatever_the_exit_code_says() -> None:
    agent = running()
    assert agent.finish(0).json == {"state": "no_verdict"}
    assert agent.task.state == TaskState.QUEUED
    assert Assignment.objects.filter(task=agent.task, closed_at=None).get().number == 2


def test_the_report_is_kept_whole() -> None:
    agent = running()
    agent.results()
    report = {
        "exit_code": 0,
        "counts": {"results": 1, "test_log_bytes": 10**12},
        "phases": {"cloned": "2001-02-03T04:05:06.789+00:00"},
        "image_digest": "sha256:abc",
    }
    assert agent.call("finish", {**report, "unknown": [1]}).json == {"state": "passed"}
    row = agent.row
    assert row.finish == report
    assert row.finished_at is not None and row.closed_at is not None
    assert row.closed_at >= row.finished_at
    assert TaskEvent.objects.filter(assignment=row, kind="agent.finished").count() == 1


@pytest.mark.parametrize("files,code", [([GREEN], 0), ([RED], 1), ([], None), ([b"{"], 0)])
def test_the_same_finish_again_is_the_same_answer(files: list[bytes], code: int | None) -> None:
    agent = running()
    for data in files:
        agent.results(data)
    first, row = agent.finish(code, counts={"a": 1}), agent.row
    for _ in range(2):
        again = agent.finish(code, counts={"a": 1})
        assert (again.status, again.json) == (200, first.json)
    assert agent.row.finished_at == row.finished_at
    assert agent.task.assignments.count() == (
        1 if first.json["state"] in ("passed", "failed") else 2
    )
    assert not RefusedReport.objects.exists()


@pytest.mark.parametrize("other", [{"exit_code": 1}, {"exit_code": 0, "counts": {"a": 1}}])
def test_a_different_finish_is_refused_and_kept_for_diagnosis(other: dict[str, Any]) -> None:
    agent = finished()
    assert agent.call("finish", other).status == 409
    refused = RefusedReport.objects.get()
    assert (refused.kind, b"exit_code" in bytes(refused.body)) == ("finish", True)
    assert (agent.row.exit_code, agent.row.category) == (0, "passed")
    assert agent.finish(0).status == 200


@pytest.mark.parametrize("state", [cancelled, superseded, timed_out])
def test_a_late_finish_changes_nothing_and_is_kept_for_diagnosis(state: Any) -> None:
    agent = state()
    task, category = agent.task.state, agent.row.category
    assert agent.finish(0).status == 409
    assert (agent.task.state, agent.row.category, agent.row.finish) == (task, category, None)
    assert RefusedReport.objects.get().kind == "finish"


def test_a_finish_that_did_not_get_to_decide_decides_when_it_comes_again() -> None:
    """The process may end between the two."""
    agent = running()
    agent.results()
    report = {"exit_code": 0, "counts": {}, "phases": {}, "image_digest": ""}
    rows = Assignment.objects.filter(pk=agent.assignment.pk)
    rows.update(finish=report, exit_code=0, finished_at=agent.row.claimed_at)
    assert agent.finish(0).json == {"state": "passed"}


def test_before_the_claim_there_is_no_finish() -> None:
    agent = make_agent()
    assert agent.finish(0).status == 409
    assert (agent.row.finish, agent.task.state) == (None, TaskState.QUEUED)


@pytest.mark.parametrize(
    "body,field",
    [
        ({"exit_code": "0"}, "exit_code"),
        ({"exit_code": -1}, "exit_code"),
        ({"exit_code": 256}, "exit_code"),
        ({"exit_code": True}, "exit_code"),
        ({"exit_code": 0.0}, "exit_code"),
        ({"exit_code": 0, "counts": []}, "counts"),
        ({"exit_code": 0, "counts": {"a": "1"}}, "counts"),
        ({"exit_code": 0, "counts": {"a": 2**60}}, "counts"),
        ({"exit_code": 0, "counts": {str(number): 1 for number in range(51)}}, "counts"),
        ({"exit_code": 0, "phases": {"a": 1}}, "phases"),
        ({"exit_code": 0, "phases": {"a": "x" * 101}}, "phases"),
        ({"exit_code": 0, "image_digest": 7}, "image_digest"),
    ],
)
def test_a_finish_of_another_shape_is_refused_and_decides_nothing(body: Any, field: str) -> None:
    agent = running()
    agent.results()
    answer = agent.call("finish", body)
    assert (answer.status, answer.json["error"].partition(":")[0]) == (400, field)
    assert agent.row.live and agent.row.finish is None


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_finishes_one_counts() -> None:
    agent = running()
    agent.results()
    together = threading.Barrier(6)

    def finish(exit_code: int) -> tuple[int, int]:
        try:
            together.wait(20)
            return exit_code, Agent(agent.assignment).finish(exit_code).status
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(finish, [0, 1, 2, 0, 1, 2]))
    kept = agent.row.exit_code
    assert all(status == (200 if code == kept else 409) for code, status in found)
    assert agent.row.category == ("failed" if kept else "passed")
    assert TaskEvent.objects.filter(kind="agent.finished").count() == 1


def test_events_after_the_finish_are_shown_and_change_nothing() -> None:
    agent = finished()
    assert agent.event(9, "timed_out").status == 200
    assert agent.event(9, "timed_out").status == 200
    assert (agent.row.category, agent.task.state) == ("passed", "passed")


@pytest.mark.parametrize("state", [cancelled, superseded, timed_out])
def test_events_of_an_ended_assignment_are_refused_and_kept(state: Any) -> None:
    agent = state()
    assert agent.event(1, "cloned", "late").status == 409
    assert RefusedReport.objects.get().kind == "event cloned"
    assert agent.row.cloned_at is None


@pytest.mark.parametrize("state", [cancelled, superseded, timed_out])
def test_who_has_lost_an_assignment_changes_nothing_by_any_call(state: Any) -> None:
    agent = state()
    before = vars(agent.row) | {"_state": None}
    statuses = [
        agent.claim().status,
        agent.claim("pod-2").status,
        agent.call("heartbeat").status,
        agent.call("git-token").status,
        agent.event(1, "tests_started").status,
        agent.results().status,
        agent.artifact(b"x").status,
        agent.finish(0).status,
        agent.log(b"x\n", 0).status,
    ]
    heartbeat = 200 if state is cancelled else 409
    assert statuses == [409, 409, heartbeat, 409, 409, 409, 409, 409, 200]
    assert vars(agent.row) | {"_state": None} == before
