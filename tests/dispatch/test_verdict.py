"""The rules by which reports become an outcome, as one table."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from dispatch.outcomes import Category
from dispatch.verdict import Ended, Evidence, Patience, Results, Wait, judge

START = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = Patience(trailer=timedelta(seconds=10), report=timedelta(seconds=60))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def results(examples: int = 5, failures: int = 0, outside: int = 0) -> Results:
    return Results(complete=True, examples=examples, failures=failures, errors_outside=outside)


BROKEN = Results(complete=False)
GREEN = {"results": results(), "reported_at": at(0)}
EMPTY = {"results": results(examples=0), "reported_at": at(0)}
SURPLUS = {"said": {"shard_empty": ""}, "surplus": True}

DECIDED: list[tuple[str, dict[str, Any], float, str]] = [
    ("green and exit code 0", {**GREEN, "exit_code": 0}, 0, "passed"),
    ("green, 0 and finished", {**GREEN, "exit_code": 0, "finished_at": at(1)}, 1, "passed"),
    ("green, finished, no exit code in 10 s", {**GREEN, "finished_at": at(1)}, 11, "passed"),
    ("green, but exit code 1", {**GREEN, "exit_code": 1}, 0, "failed"),
    ("green, but killed", {**GREEN, "exit_code": 247, "finished_at": at(1)}, 1, "failed"),
    ("one failure", {"results": results(failures=1), "exit_code": 1}, 0, "failed"),
    ("a failure, but exit code 0", {"results": results(failures=1), "exit_code": 0}, 0, "failed"),
    (
        "a failure and finished: no exit code can better it",
        {"results": results(failures=1), "finished_at": at(1)},
        1,
        "failed",
    ),
    ("an error outside of examples", {"results": results(outside=1), "exit_code": 0}, 0, "failed"),
    ("no example ran", {**EMPTY, "exit_code": 0}, 0, "failed"),
    ("no example ran, and it says so, but is no surplus shard",
     {**EMPTY, "exit_code": 0, "said": {"shard_empty": ""}}, 0, "failed"),
    ("a surplus shard that says nothing", {**EMPTY, "exit_code": 0, "surplus": True}, 0, "failed"),
    ("a surplus shard that says so", {**EMPTY, **SURPLUS, "exit_code": 0}, 0, "passed"),
    ("a surplus shard that crashed", {**EMPTY, **SURPLUS, "exit_code": 1}, 0, "failed"),
    ("a surplus shard without results", {**SURPLUS, "finished_at": at(0)}, 60, "no_verdict"),
    ("results, then 60 s of silence", {**GREEN, "heard_at": at(0)}, 60, "no_verdict"),
    ("finished, then 60 s of silence", {"finished_at": at(0)}, 60, "no_verdict"),
    ("broken results and finished", {"results": BROKEN, "reported_at": at(0), "finished_at": at(1)},
     61, "no_verdict"),
    ("broken results, killed, finished",
     {"results": BROKEN, "exit_code": 247, "reported_at": at(0), "finished_at": at(1)},
     61, "no_verdict"),
    ("an exit code of 0 and finished, no results", {"exit_code": 0, "finished_at": at(0)},
     60, "no_verdict"),
    ("pre script began and did not end", {"finished_at": at(9), "pre_script_started": True},
     9, "pre_script_failed"),
    ("a build that failed", {"finished_at": at(9), "said": {"build_failed": "RUN false"}},
     9, "build_failed"),
    ("a build that failed after the pre script's event",
     {"finished_at": at(9), "pre_script_started": True, "said": {"build_failed": ""}},
     9, "build_failed"),
    ("a clone that failed", {"finished_at": at(9), "said": {"clone_failed": ""}}, 9, "no_verdict"),
    ("the agent's own timeout", {"finished_at": at(9), "exit_code": 143, "said": {"timed_out": ""}},
     9, "timeout"),
    ("killed for its memory", {"finished_at": at(9), "said": {"test_oom": ""}}, 9, "test_oom"),
    ("killed in the build", {"finished_at": at(9), "said": {"build_oom": ""}}, 9, "build_oom"),
    ("a service that crashes", {"finished_at": at(9), "said": {"service_failed": ""}},
     9, "service_failed"),
    ("a pre script, by its own word", {"finished_at": at(9), "said": {"pre_script_failed": ""}},
     9, "pre_script_failed"),
    ("a bug of the agent", {"finished_at": at(9), "said": {"agent_error": "x"}}, 9, "no_verdict"),
]  # fmt: skip

UNDECIDED: list[tuple[str, dict[str, Any], float, float | None]] = [
    ("nothing yet", {}, 0, None),
    ("a quiet suite", {"tests_started": True, "heard_at": at(0)}, 5000, None),
    ("an exit code alone", {"exit_code": 1, "heard_at": at(0)}, 5000, None),
    ("green results alone", GREEN, 59, 60),
    ("green results, then logs", {**GREEN, "heard_at": at(50)}, 100, 110),
    ("red results alone", {"results": results(failures=1), "reported_at": at(0)}, 59, 60),
    ("green and finished: the exit code is awaited", {**GREEN, "finished_at": at(1)}, 10.9, 11),
    ("finished alone", {"finished_at": at(0)}, 59, 60),
    ("a pre script that runs", {"pre_script_started": True}, 5000, None),
    (
        "finished in the tests without results",
        {"finished_at": at(0), "pre_script_started": True, "tests_started": True},
        59,
        60,
    ),
    (
        "finished after the pre script without results",
        {"finished_at": at(0), "pre_script_started": True, "pre_script_finished": True},
        59,
        60,
    ),
    ("a build failed, not finished", {"said": {"build_failed": ""}}, 5000, None),
]


@pytest.mark.parametrize("name,facts,now,category", DECIDED, ids=[row[0] for row in DECIDED])
def test_it_decides(name: str, facts: dict[str, Any], now: float, category: str) -> None:
    end = judge(Evidence(**facts), at(now), PATIENCE)
    assert isinstance(end, Ended)
    assert end.category == category


@pytest.mark.parametrize("name,facts,now,until", UNDECIDED, ids=[row[0] for row in UNDECIDED])
def test_it_waits(name: str, facts: dict[str, Any], now: float, until: float | None) -> None:
    wait = judge(Evidence(**facts), at(now), PATIENCE)
    assert wait == Wait(until=None if until is None else at(until))


def test_nothing_but_a_clean_and_whole_report_ever_passes() -> None:
    """Every combination of what may be known, long after everything was awaited."""
    some_results = [
        None, BROKEN, results(), results(failures=1), results(outside=1), results(examples=0)
    ]  # fmt: skip
    flags = [False, True]
    said: list[dict[str, str]] = [{}, {"shard_empty": ""}, {"build_failed": ""}, {"timed_out": ""}]
    for found, code, finished, spoken, surplus, started in product(
        some_results, [None, 0, 1, 247], flags, said, flags, flags
    ):
        evidence = Evidence(
            results=found,
            exit_code=code,
            reported_at=at(0) if found else None,
            finished_at=at(1) if finished else None,
            pre_script_started=started,
            said=spoken,
            surplus=surplus,
        )
        end = judge(evidence, at(10_000), PATIENCE)
        if isinstance(end, Ended) and end.category == Category.PASSED:
            assert found is not None and found.complete
            assert (found.failures, found.errors_outside) == (0, 0)
            assert found.examples > 0 or (surplus and "shard_empty" in spoken)
            assert code in (None, 0) and (finished or code == 0)
            assert not spoken.keys() & {"build_failed", "timed_out"} or not finished


def test_it_says_what_was_wrong() -> None:
    end = judge(Evidence(results=results(failures=2), exit_code=1), at(0), PATIENCE)
    assert end == Ended(category=Category.FAILED, sentence="2 of 5 examples failed.")


def test_it_repeats_what_the_agent_said() -> None:
    evidence = Evidence(finished_at=at(0), said={"build_failed": "RUN false: exit code 1"})
    end = judge(evidence, at(0), PATIENCE)
    assert isinstance(end, Ended)
    assert end.sentence.endswith("The agent says: RUN false: exit code 1")
