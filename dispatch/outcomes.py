"""The outcome table: how every end of an Assignment is read.

One row per category. `Assignment.close` reads it, and docs/outcomes.md is printed from it
(`manage.py outcomes`). The same end has the same category on both backends, with one exception:
the droplets' Ruby agent cannot tell a failed build, which is `no_verdict` there.
"""

from dataclasses import dataclass
from enum import Enum

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

# From each state, the states that a Task may move to. Nothing leaves a terminal state; queued to
# queued is an attempt that ended before it was placed.
TASK_MOVES: dict[str, frozenset[str]] = {
    TaskState.QUEUED: frozenset(
        {TaskState.QUEUED, TaskState.ASSIGNED, TaskState.RUNNING, *TERMINAL},
    ),
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
    SERVICE_FAILED = "service_failed"
    BASE_IMAGE_NOT_FOUND = "base_image_not_found"
    TIMEOUT = "timeout"
    TEST_OOM = "test_oom"
    BUILD_OOM = "build_oom"
    BOOT_TIMEOUT = "boot_timeout"
    DROPLET_LOST = "droplet_lost"
    AGENT_LOST = "agent_lost"
    NODE_LOST = "node_lost"
    EVICTED = "evicted"
    PREEMPTED = "preempted"
    UNSCHEDULABLE = "unschedulable"
    QUOTA = "quota"
    IMAGE_PULL_NOT_FOUND = "image_pull_not_found"
    IMAGE_PULL_AUTH = "image_pull_auth"
    IMAGE_PULL_NETWORK = "image_pull_network"
    REGISTRY_PUSH = "registry_push"
    POD_REFUSED = "pod_refused"
    CONFIG_ERROR = "config_error"
    DISK_FULL = "disk_full"
    API_UNAVAILABLE = "api_unavailable"
    DEADLINE = "deadline"
    REJECTED = "rejected"
    NO_VERDICT = "no_verdict"
    UNKNOWN = "unknown"


class Again(Enum):
    """Whether the Task gets a further attempt after such an end."""

    NO = "no"
    LARGER = "once, in a larger class; then failed"
    YES = "while attempts remain; then errored"
    ELSEWHERE = "on the other backend only"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`task` is the Task's state when no further attempt follows. `elsewhere`: an end before the
    agent's claim sends the Task to the other backend, once."""

    task: TaskState
    sentence: str
    again: Again = Again.NO
    elsewhere: bool = False


def _ends(task: TaskState, sentence: str) -> Outcome:
    return Outcome(task=task, sentence=sentence)


def _larger(sentence: str) -> Outcome:
    return Outcome(task=TaskState.FAILED, sentence=sentence, again=Again.LARGER)


def _retried(sentence: str, *, elsewhere: bool = False) -> Outcome:
    return Outcome(task=TaskState.ERRORED, sentence=sentence, again=Again.YES, elsewhere=elsewhere)


_FAILED = TaskState.FAILED

OUTCOMES: dict[str, Outcome] = {
    Category.PASSED: _ends(TaskState.PASSED, "Every test of this shard passed."),
    Category.FAILED: _ends(_FAILED, "The tests ran and did not all pass."),
    Category.CANCELLED: _ends(TaskState.CANCELLED, "Cancelled on request."),
    Category.BUILD_FAILED: _ends(
        _FAILED, "A step of the Dockerfile failed: see the end of the build's log."
    ),
    Category.PRE_SCRIPT_FAILED: _ends(
        _FAILED, "The repository's pre script failed: see the end of the system log."
    ),
    Category.SERVICE_FAILED: _ends(
        _FAILED, "A service of the compose file crashes, is not found, or never gets ready."
    ),
    Category.BASE_IMAGE_NOT_FOUND: _ends(
        _FAILED, "The Dockerfile's base image does not exist: check its name and tag."
    ),
    Category.TIMEOUT: _ends(
        _FAILED, "The Task ran longer than its timeout: raise it, or split the suite further."
    ),
    Category.TEST_OOM: _larger("The tests used more memory than they may."),
    Category.BUILD_OOM: _larger("The build used more memory than it may."),
    Category.BOOT_TIMEOUT: _retried("The machine did not become ready in time."),
    Category.DROPLET_LOST: _retried("The droplet vanished while it held the Task."),
    Category.AGENT_LOST: _retried("The agent fell silent."),
    Category.NODE_LOST: _retried("The node that ran the pod was lost."),
    Category.EVICTED: _retried("The pod was evicted."),
    Category.PREEMPTED: _retried("The pod had to make room for a more important one."),
    Category.UNSCHEDULABLE: _retried("No node had room for the pod.", elsewhere=True),
    Category.QUOTA: _retried("The namespace's quota was used up.", elsewhere=True),
    Category.IMAGE_PULL_NOT_FOUND: _retried("An image of ours was not found.", elsewhere=True),
    Category.IMAGE_PULL_AUTH: _retried("The registry refused our credentials.", elsewhere=True),
    Category.IMAGE_PULL_NETWORK: _retried("The registry was out of reach.", elsewhere=True),
    Category.REGISTRY_PUSH: _retried("The built image could not be pushed."),
    Category.POD_REFUSED: _retried("The cluster refused the pod.", elsewhere=True),
    Category.CONFIG_ERROR: _retried("A container could not be made as asked.", elsewhere=True),
    Category.DISK_FULL: _retried("The disk that the Task may use was full."),
    Category.API_UNAVAILABLE: _retried("The backend's API could not be reached.", elsewhere=True),
    Category.DEADLINE: _retried("The Job's own deadline ended it before the agent did."),
    Category.REJECTED: Outcome(
        task=TaskState.ERRORED,
        sentence="The backend cannot run this Task.",
        again=Again.ELSEWHERE,
        elsewhere=True,
    ),
    Category.NO_VERDICT: _retried("The agent went away without a complete test report."),
    Category.UNKNOWN: _retried("The run ended for a reason nobody reported."),
}

_KUBERNETES = "Kubernetes only."
_DROPLETS = "Droplets only."

# What the docs say beside the table: who can end so, where that is one backend alone.
NOTES: dict[str, str] = {
    Category.BUILD_FAILED: "The droplets' Ruby agent cannot tell: `no_verdict` there.",
    Category.SERVICE_FAILED: "The droplets' Ruby agent cannot tell: `no_verdict` there.",
    Category.BASE_IMAGE_NOT_FOUND: "Kubernetes only; on droplets the build fails.",
    Category.TEST_OOM: "Kubernetes only: droplets have one size class.",
    Category.BUILD_OOM: "Kubernetes only: droplets have one size class.",
    Category.BOOT_TIMEOUT: _DROPLETS,
    Category.DROPLET_LOST: _DROPLETS,
    Category.NODE_LOST: _KUBERNETES,
    Category.EVICTED: _KUBERNETES,
    Category.PREEMPTED: _KUBERNETES,
    Category.UNSCHEDULABLE: _KUBERNETES,
    Category.QUOTA: _KUBERNETES,
    Category.IMAGE_PULL_NOT_FOUND: _KUBERNETES,
    Category.IMAGE_PULL_AUTH: _KUBERNETES,
    Category.IMAGE_PULL_NETWORK: _KUBERNETES,
    Category.REGISTRY_PUSH: _KUBERNETES,
    Category.POD_REFUSED: _KUBERNETES,
    Category.CONFIG_ERROR: _KUBERNETES,
    Category.DISK_FULL: _KUBERNETES,
    Category.DEADLINE: _KUBERNETES,
}


def brought_verdict(category: str) -> bool:
    """Whether the tests themselves decided. An end that did not, other than a cancel, is what
    the guardrails count as an infrastructure failure."""
    return category in (Category.PASSED, Category.FAILED)


def failed_by_infrastructure(category: str) -> bool:
    """An end without a verdict of the tests, other than a cancel."""
    return not brought_verdict(category) and category != Category.CANCELLED
