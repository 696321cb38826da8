"""Turning a checked request into a suite run and its Tasks: all of it, or nothing.

Whoever calls this opens the transaction; after it has committed, `wake.send("queue")` is due.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import OuterRef, Subquery

from dispatch import backends, encryption, placement
from dispatch.api.problems import Conflict, Refused
from dispatch.models import ApiClient, Assignment, SuiteRun, Task, TaskEvent, TaskSecret

SHARED = (
    "repository",
    "commit",
    "branch",
    "order_count",
    "seed",
    "project_name",
    "user_id",
    "github_installation_id",
    "clone_url",
    "paths",
    "compose_text",
    "dockerfile_text",
)
TOO_LONG_TO_TELL = frozenset({"compose_text", "dockerfile_text"})
OWN = ("order_index", "priority", "timeout_seconds", "command", "test_files", "labels")


@dataclass(frozen=True, kw_only=True)
class Accepted:
    suite_run: SuiteRun
    tasks: list[Task]


def accept(
    client: ApiClient, shared: Mapping[str, Any], shards: Sequence[Mapping[str, Any]]
) -> Accepted:
    """Store a suite run, if it is new, and these Tasks of it, in the caller's transaction.

    Raises Refused where they contradict the stored suite run or its backend cannot run them,
    and IntegrityError where an order index is taken (`taken` then tells which).
    """
    shards = sorted(shards, key=lambda shard: int(shard["order_index"]))
    suite_run = _suite_run(client, shared, shards[0])
    _check_eligible(suite_run, shards)
    tasks = [_task(client, suite_run, shard) for shard in shards]
    Task.objects.bulk_create(tasks)
    Assignment.objects.bulk_create([_assignment(task, suite_run) for task in tasks])
    TaskEvent.objects.bulk_create([_event(task, suite_run) for task in tasks])
    TaskSecret.objects.bulk_create(
        [_secret(task, shard) for task, shard in zip(tasks, shards, strict=True)]
    )
    return Accepted(suite_run=suite_run, tasks=tasks)


def taken(shared: Mapping[str, Any], shards: Sequence[Mapping[str, Any]]) -> Conflict | None:
    """Which of the order indexes the suite run has already."""
    wanted = [shard["order_index"] for shard in shards]
    rows = Task.objects.filter(
        suite_run__account=shared["account"],
        suite_run__suite_run_id=shared["suite_run_id"],
        order_index__in=wanted,
    )
    there = sorted(rows.values_list("order_index", flat=True))
    if not there:
        return None
    numbers = ", ".join(str(number) for number in there)
    message = f"{numbers} of this suite run exists already: number each Task once."
    return Conflict({"order_index": message})


def _suite_run(client: ApiClient, shared: Mapping[str, Any], first: Mapping[str, Any]) -> SuiteRun:
    """The stored one, or a new one with its decision; of two at the same moment one is kept."""
    stored = _stored(shared)
    if stored is None:
        new = decided(shared, first)
        SuiteRun.objects.bulk_create([new], ignore_conflicts=True)
        stored = _stored(shared)
        assert stored is not None, "a suite run is never deleted"
        if stored.pk == new.pk:
            return new
    check_same(client, stored, shared)
    return stored


def _stored(shared: Mapping[str, Any]) -> SuiteRun | None:
    rows = SuiteRun.objects.filter(account=shared["account"], suite_run_id=shared["suite_run_id"])
    owner = Task.objects.filter(suite_run=OuterRef("pk")).values("client_id")[:1]
    return rows.annotate(client_id=Subquery(owner)).first()


def decided(shared: Mapping[str, Any], first: Mapping[str, Any]) -> SuiteRun:
    """A new suite run, not stored yet, with the routing decision for all of its Tasks."""
    suite_run = SuiteRun(
        account=shared["account"],
        suite_run_id=shared["suite_run_id"],
        **{name: shared[name] for name in SHARED},
    )
    placement.adopt(suite_run, placement.decide_for(suite_run, _spec(suite_run, first)))
    return suite_run


def check_same(client: ApiClient, stored: Any, shared: Mapping[str, Any]) -> None:
    """A later Task of a suite run brings what the first one brought. Raises Refused."""
    if stored.client_id not in (None, client.pk):
        message = "Belongs to another API client: use an id of your own for a new suite run."
        raise Refused({"suite_run_id": message})
    wrong = {
        name: _differs(name, getattr(stored, name))
        for name in SHARED
        if getattr(stored, name) != shared[name]
    }
    if wrong:
        raise Refused(wrong)


def _differs(name: str, stored: Any) -> str:
    remedy = "send the same, or a new suite_run_id."
    if name in TOO_LONG_TO_TELL:
        return f"Differs from what this suite run's first Task brought: {remedy}"
    return f"This suite run's first Task brought {stored!r}: {remedy}"


def _check_eligible(suite_run: SuiteRun, shards: Sequence[Mapping[str, Any]]) -> None:
    """The decided backend can run each of them. Raises Refused with its reasons."""
    if suite_run.backend not in settings.BACKENDS:
        return
    backend = backends.get(suite_run.backend)
    reasons: dict[str, None] = {}
    for shard in shards:
        reasons |= dict.fromkeys(backend.eligible(_spec(suite_run, shard)).reasons)
    if reasons:
        raise Refused({suite_run.backend: list(reasons)})


def _spec(suite_run: SuiteRun, shard: Mapping[str, Any]) -> backends.TaskSpec:
    files = shard["test_files"]
    return placement.spec_of(suite_run, shard["command"], None if files is None else tuple(files))


def _task(client: ApiClient, suite_run: SuiteRun, shard: Mapping[str, Any]) -> Task:
    return Task(client=client, suite_run=suite_run, **{name: shard[name] for name in OWN})


def _assignment(task: Task, suite_run: SuiteRun) -> Assignment:
    return Assignment(task=task, backend=suite_run.backend, priority=task.priority)


def _event(task: Task, suite_run: SuiteRun) -> TaskEvent:
    detail = {"attempt": 1, "backend": suite_run.backend, "rule": suite_run.rule}
    return TaskEvent(task=task, seq=1, kind="task.queued", detail=detail)


def _secret(task: Task, shard: Mapping[str, Any]) -> TaskSecret:
    return TaskSecret(task=task, ciphertext=encryption.encrypt_mapping(shard["env_vars"]))
