"""Turning a checked request into a suite run and its Tasks: all of it, or nothing."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpResponse

from dispatch import backends, encryption, placement, prepared
from dispatch.api.idempotency import Key, Made
from dispatch.api.problems import Conflict, Refused
from dispatch.api.storing import KeyTaken, OrderIndexTaken, Rows, SuiteRunThere, store
from dispatch.models import (
    ApiClient,
    Assignment,
    IdempotencyKey,
    SuiteRun,
    Task,
    TaskEvent,
    TaskSecret,
)

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


NEEDED = [
    field.name
    for field in SuiteRun._meta.concrete_fields
    if field.name in ("id", "account", "suite_run_id", "backend", "rule", *SHARED)
]
STORED = f"""
    SELECT {", ".join(f'"{name}"' for name in NEEDED)},
        (SELECT client_id FROM dispatch_task WHERE dispatch_task.suite_run_id = run.id LIMIT 1)
    FROM dispatch_suiterun AS run WHERE account = %s AND run.suite_run_id = %s
"""
TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Order:
    """A checked request: what the Tasks share, and what each has of its own."""

    client: ApiClient
    shared: Mapping[str, Any]
    shards: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A suite run and new Tasks of it. `new`: the suite run is new as well."""

    suite_run: SuiteRun
    tasks: list[Task]
    secrets: list[TaskSecret]
    new: bool


def accept(order: Order, key: Key | None, make: Callable[[Accepted], Made]) -> HttpResponse:
    """Store a suite run, if it is new, and these Tasks of it; `make` words the answer.

    Raises Refused where they contradict the stored suite run or its backend cannot run them, and
    Conflict where an order index is taken. A key that was used before gets its answer again.
    """
    try:
        return _accept(order, key, make)
    except (KeyTaken, Refused, Conflict):
        replay = key and key.replay()
        if not replay:
            raise
        return replay


def _accept(order: Order, key: Key | None, make: Callable[[Accepted], Made]) -> HttpResponse:
    for _ in range(TRIES):
        accepted = _prepared(order)
        made = make(accepted)
        answer = made.answer()
        with suppress(SuiteRunThere):
            try:
                store(_rows(accepted, key.row(made, answer) if key else None))
            except OrderIndexTaken:
                raise _conflict(order) from None
            return answer
    raise Conflict({"suite_run_id": "Is being stored by others all the time: try again."})


def _prepared(order: Order) -> Accepted:
    shards = sorted(order.shards, key=lambda shard: int(shard["order_index"]))
    stored = _stored(order.shared)
    if stored is not None:
        check_same(order.client, stored, order.shared)
    suite_run = stored or decided(order.shared, shards[0])
    _check_eligible(suite_run, shards)
    tasks = [_task(order.client, suite_run, shard) for shard in shards]
    secrets = [_secret(task, shard) for task, shard in zip(tasks, shards, strict=True)]
    return Accepted(suite_run=suite_run, tasks=tasks, secrets=secrets, new=stored is None)


def _rows(accepted: Accepted, answer: IdempotencyKey | None) -> Rows:
    suite_run, tasks = accepted.suite_run, accepted.tasks
    return Rows(
        answer=answer,
        suite_run=suite_run if accepted.new else None,
        tasks=tasks,
        assignments=[_assignment(task, suite_run) for task in tasks],
        events=[_event(task, suite_run) for task in tasks],
        secrets=accepted.secrets,
    )


def _conflict(order: Order) -> Conflict:
    """Which of the order indexes the suite run has already."""
    rows = Task.objects.filter(
        suite_run__account=order.shared["account"],
        suite_run__suite_run_id=order.shared["suite_run_id"],
        order_index__in=[shard["order_index"] for shard in order.shards],
    )
    numbers = sorted(rows.values_list("order_index", flat=True))
    there = ", ".join(str(number) for number in numbers)
    message = f"{there} of this suite run exists already: number each Task once."
    return Conflict({"order_index": message})


def _stored(shared: Mapping[str, Any]) -> Any:
    """The suite run that is there, with the client whose Tasks it has as `client_id`. Of its
    columns only those are loaded that are needed here."""
    found = prepared.run(STORED, [shared["account"], shared["suite_run_id"]])
    if not found:
        return None
    values = dict(zip(NEEDED, found[0], strict=False))
    values["id"] = UUID(str(values["id"]))
    values["paths"] = json.loads(values["paths"])
    suite_run: Any = SuiteRun.from_db(DEFAULT_DB_ALIAS, NEEDED, list(values.values()))
    suite_run.client_id = found[0][-1]
    return suite_run


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
    told = json.dumps(stored, sort_keys=True, ensure_ascii=False)
    return f"This suite run's first Task brought {told}: {remedy}"


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
    return Assignment(
        task=task,
        backend=suite_run.backend,
        account=suite_run.account,
        priority=task.priority,
    )


def _event(task: Task, suite_run: SuiteRun) -> TaskEvent:
    detail = {"attempt": 1, "backend": suite_run.backend, "rule": suite_run.rule}
    return TaskEvent(task=task, seq=1, kind="task.queued", detail=detail)


def _secret(task: Task, shard: Mapping[str, Any]) -> TaskSecret:
    return TaskSecret(task=task, ciphertext=encryption.encrypt_mapping(shard["env_vars"]))
