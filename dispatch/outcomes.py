"""The outcome table: how every end of an Assignment is read.

One row per category. `Assignment.close` reads it, docs are printed from it. "Again" means a
further attempt while attempts remain; a Task that runs out of them ends `errored`.
`before_claim_elsewhere` marks the ends that may send the Task to the other backend once, when
they happen before an agent claimed it.
"""

from dataclasses import dataclass

from django.db import models

MAX_PRIMARY_ATTEMPTS = 3


class TaskState(models.TextChoices):
    QUEUED = "queued"
    ASSIGNED = "assigned"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    CANCELLED = "cancelled"


TERMINAL = frozenset(
    {TaskState.PASSED, TaskState.FAILED, TaskState.ERRORED, TaskState.CANCELLED},
)

# From each state, the states that a Task may move to. Nothing leaves a terminal state.
TASK_MOVES: dict[str, frozenset[str]] = {
    TaskState.QUEUED: frozenset({TaskState.ASSIGNED, TaskState.RUNNING, *TERMINAL}),
    TaskState.ASSIGNED: frozenset({TaskState.RUNNING, TaskState.QUEUED, *TERMINAL}),
    TaskState.RUNNING: frozenset({TaskState.QUEUED, *TERMINAL}),
}


class Category(models.TextChoices):
    """Why an Assignment ended."""

    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BUILD_FAILED = "build_failed"
    PRE_SCRIPT_FAILED = "pre_script_failed"
    TIMEOUT = "timeout"
    DROPLET_LOST = "droplet_lost"
    AGENT_LOST = "agent_lost"
    API_UNAVAILABLE = "api_unavailable"
    REJECTED = "rejected"
    NO_VERDICT = "no_verdict"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    task: TaskState
    again: bool
    before_claim_elsewhere: bool = False
    sentence: str


OUTCOMES: dict[str, Outcome] = {
    Category.PASSED: Outcome(
        task=TaskState.PASSED, again=False, sentence="Every test of this shard passed."
    ),
    Category.FAILED: Outcome(
        task=TaskState.FAILED, again=False, sentence="The tests ran and did not all pass."
    ),
    Category.CANCELLED: Outcome(
        task=TaskState.CANCELLED, again=False, sentence="Cancelled on request."
    ),
    Category.BUILD_FAILED: Outcome(
        task=TaskState.FAILED,
        again=False,
        sentence="A step of the Dockerfile failed: see the end of the system log.",
    ),
    Category.PRE_SCRIPT_FAILED: Outcome(
        task=TaskState.FAILED,
        again=False,
        sentence="The repository's pre script failed: see the end of the system log.",
    ),
    Category.TIMEOUT: Outcome(
        task=TaskState.FAILED,
        again=False,
        sentence="The Task ran longer than its timeout: raise it, or split the suite further.",
    ),
    Category.DROPLET_LOST: Outcome(
        task=TaskState.ERRORED, again=True, sentence="The droplet vanished while it held the Task."
    ),
    Category.AGENT_LOST: Outcome(
        task=TaskState.ERRORED, again=True, sentence="The agent fell silent."
    ),
    Category.API_UNAVAILABLE: Outcome(
        task=TaskState.ERRORED,
        again=True,
        before_claim_elsewhere=True,
        sentence="The backend's API could not be reached.",
    ),
    Category.REJECTED: Outcome(
        task=TaskState.ERRORED,
        again=False,
        before_claim_elsewhere=True,
        sentence="The backend cannot run this Task.",
    ),
    Category.NO_VERDICT: Outcome(
        task=TaskState.ERRORED,
        again=True,
        sentence="The agent went away without a complete test report.",
    ),
    Category.UNKNOWN: Outcome(
        task=TaskState.ERRORED, again=True, sentence="The run ended for a reason nobody reported."
    ),
}


def brought_verdict(category: str) -> bool:
    """Whether the tests themselves decided: the one thing that the guardrail counts."""
    return category in (Category.PASSED, Category.FAILED)
