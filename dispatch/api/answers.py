"""What the dispatch API sends back, as plain dictionaries; `shapes` describes each of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dispatch.models import Assignment, Rollout, SuiteRun, Task, TaskEvent, TrafficSplit, Webhook
from dispatch.models.assignment import Purpose

TIMES = (
    "created_at",
    "placed_at",
    "delivered_at",
    "claimed_at",
    "cloned_at",
    "built_at",
    "services_ready_at",
    "tests_started_at",
    "reported_at",
    "finished_at",
    "closed_at",
    "released_at",
)


def _at(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def task(row: Task, backend: str | None) -> dict[str, Any]:
    """`backend` is that of the newest attempt."""
    run = row.suite_run
    return {
        "id": str(row.pk),
        "state": row.state,
        "category": row.category,
        "sentence": row.sentence,
        "backend": backend or "",
        "rule": run.rule,
        "account": run.account,
        "suite_run_id": run.suite_run_id,
        "repository": run.repository,
        "commit": run.commit,
        "branch": run.branch,
        "order_index": row.order_index,
        "order_count": run.order_count,
        "seed": run.seed,
        "project_name": run.project_name,
        "user_id": run.user_id,
        "github_installation_id": run.github_installation_id,
        "clone_url": run.clone_url,
        "paths": run.paths,
        "test_files": row.test_files,
        "command": row.command,
        "timeout_seconds": row.timeout_seconds,
        "priority": row.priority,
        "labels": row.labels,
        "created_at": _at(row.created_at),
        "finished_at": _at(row.finished_at),
    }


def task_with_attempts(row: Task, attempts: Sequence[Assignment]) -> dict[str, Any]:
    """`attempts` in the order of their numbers."""
    primary = [item for item in attempts if item.purpose == Purpose.PRIMARY]
    backend = primary[-1].backend if primary else row.suite_run.backend
    return task(row, backend) | {"attempts": [attempt(item) for item in attempts]}


def attempt(row: Assignment) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "number": row.number,
        "purpose": row.purpose,
        "backend": row.backend,
        "category": row.category,
        "sentence": row.sentence,
        "exit_code": row.exit_code,
        "example_count": row.example_count,
        "failure_count": row.failure_count,
        "image_wait": row.image_wait.total_seconds(),
        "image_from": row.image_from and str(row.image_from),
        **{name: _at(getattr(row, name)) for name in TIMES},
    }


def suite_run(run: SuiteRun, tasks: Sequence[Task]) -> dict[str, Any]:
    return {
        "account": run.account,
        "suite_run_id": run.suite_run_id,
        "backend": run.backend,
        "rule": run.rule,
        "tasks": [task(row, run.backend) for row in tasks],
    }


def event(row: TaskEvent) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "type": row.kind,
        "at": _at(row.at),
        "assignment_id": row.assignment_id and str(row.assignment_id),
        "detail": row.detail,
    }


def webhook(row: Webhook) -> dict[str, Any]:
    """`state` is pending until it was delivered, or given up (failed)."""
    settled = "delivered" if row.delivered_at else "failed"
    return {
        "id": str(row.pk),
        "task_id": str(row.task_id),
        "type": row.kind,
        "sequence": row.sequence,
        "state": settled if row.delivered_at or row.failed_at else "pending",
        "attempts": row.attempts,
        "last_status": row.last_status,
        "last_error": row.last_error,
        "created_at": _at(row.created_at),
        "next_attempt_at": _at(row.next_attempt_at),
        "delivered_at": _at(row.delivered_at),
        "failed_at": _at(row.failed_at),
        "payload": row.payload,
    }


def split(row: TrafficSplit) -> dict[str, Any]:
    return {
        "configuration_version": row.pk,
        "weight": row.weight,
        "actor": row.actor,
        "actor_kind": row.actor_kind,
        "reason": row.reason,
        "at": _at(row.at),
    }


def rollout(row: Rollout) -> dict[str, Any]:
    return {
        "id": row.pk,
        "salt": row.salt,
        "old_backend": row.old_backend,
        "new_backend": row.new_backend,
        "created_at": _at(row.created_at),
    }
