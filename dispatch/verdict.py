"""From what an agent reported to the outcome of its Assignment. Pure: no database, no clock.

Unknown is never a pass. The final report is a complete results file together with either the
exit code that `script` writes at the end of the test output, or the agent's finish.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dispatch.outcomes import OUTCOMES, Category


@dataclass(frozen=True, kw_only=True)
class Results:
    """All results files of one Assignment together. `complete`: each of them could be read."""

    complete: bool
    examples: int = 0
    failures: int = 0
    errors_outside: int = 0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known about one live Assignment.

    `said` holds what only our own agent reports: the event, and its detail. `surplus` tells
    whether this shard can have been given no test files: not the first one, and not one whose
    files were named. `heard_at` is the time of the last call of any kind.
    """

    results: Results | None = None
    exit_code: int | None = None
    reported_at: datetime | None = None
    finished_at: datetime | None = None
    heard_at: datetime | None = None
    pre_script_started: bool = False
    pre_script_finished: bool = False
    tests_started: bool = False
    said: Mapping[str, str] = field(default_factory=dict)
    surplus: bool = False


@dataclass(frozen=True, kw_only=True)
class Patience:
    """For how long the rest of a report is awaited."""

    trailer: timedelta
    report: timedelta


@dataclass(frozen=True, kw_only=True)
class Ended:
    category: Category
    sentence: str = ""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Not decided. `until` is when to look again if nothing else comes; None: only a report, or
    the Task's timeout, can decide."""

    until: datetime | None = None


SHARD_EMPTY = "shard_empty"

# In the order in which they rule, should an agent say more than one.
SPOKEN_ENDS: dict[str, Category] = {
    "timed_out": Category.TIMEOUT,
    "test_oom": Category.TEST_OOM,
    "build_oom": Category.BUILD_OOM,
    "clone_failed": Category.NO_VERDICT,
    "build_failed": Category.BUILD_FAILED,
    "pre_script_failed": Category.PRE_SCRIPT_FAILED,
    "service_failed": Category.SERVICE_FAILED,
    "agent_error": Category.NO_VERDICT,
}
LONGEST_DETAIL = 500


def judge(evidence: Evidence, now: datetime, patience: Patience) -> Ended | Wait:
    if evidence.finished_at is not None:
        spoken = _spoken_end(evidence)
        if spoken is not None:
            return spoken
    if _complete(evidence) and (evidence.exit_code is not None or evidence.finished_at):
        return _read(evidence, now, patience)
    if evidence.finished_at is not None and _pre_script_failed(evidence):
        return Ended(category=Category.PRE_SCRIPT_FAILED)
    return _await_the_rest(evidence, now, patience)


def _spoken_end(evidence: Evidence) -> Ended | None:
    for event, category in SPOKEN_ENDS.items():
        if event in evidence.said:
            return Ended(category=category, sentence=_sentence(category, evidence.said[event]))
    return None


def _sentence(category: Category, detail: str) -> str:
    """The category's own sentence, with what the agent said about it."""
    if not detail:
        return ""
    return f"{OUTCOMES[category].sentence} The agent says: {detail[:LONGEST_DETAIL]}"


def _complete(evidence: Evidence) -> bool:
    return evidence.results is not None and evidence.results.complete


def _read(evidence: Evidence, now: datetime, patience: Patience) -> Ended | Wait:
    """The final report is there. Only the exit code may still be under way, and only it can
    turn a pass into a failure."""
    complaint = _complaint(evidence)
    if complaint:
        return Ended(category=Category.FAILED, sentence=complaint)
    if evidence.exit_code is None and evidence.finished_at is not None:
        until = evidence.finished_at + patience.trailer
        if now < until:
            return Wait(until=until)
    return Ended(category=Category.PASSED)


def _complaint(evidence: Evidence) -> str:
    results = evidence.results
    assert results is not None
    if results.failures:
        return f"{results.failures} of {results.examples} examples failed."
    if results.errors_outside:
        return f"Errors outside of examples: {results.errors_outside}."
    if evidence.exit_code:
        return f"The test command ended with exit code {evidence.exit_code}."
    if results.examples == 0 and not (evidence.surplus and SHARD_EMPTY in evidence.said):
        return "No example ran."
    return ""


def _pre_script_failed(evidence: Evidence) -> bool:
    went_on = evidence.pre_script_finished or evidence.tests_started or evidence.results
    return evidence.pre_script_started and not went_on


def _await_the_rest(evidence: Evidence, now: datetime, patience: Patience) -> Ended | Wait:
    """A suite that still runs may be quiet for long; an agent that began to report may not."""
    calls = [at for at in (evidence.reported_at, evidence.finished_at) if at is not None]
    if not calls:
        return Wait()
    until = max([*calls, evidence.heard_at or calls[0]]) + patience.report
    return Wait(until=until) if now < until else Ended(category=Category.NO_VERDICT)
