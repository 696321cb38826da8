"""The work order as the Ruby agent reads it, with one more key for our own agent."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from dispatch import encryption
from dispatch.models import Assignment, TaskSecret


def item(assignment: Assignment, env_vars: dict[str, str]) -> dict[str, Any]:
    """Ids, names and the values of `env_vars` are strings: an integer among them crashes the
    Ruby agent after its acknowledgement, silently."""
    task, suite_run = assignment.task, assignment.task.suite_run
    return {
        "id": str(assignment.pk),
        "created_at": _time(assignment.created_at),
        "updated_at": _time(assignment.placed_at or assignment.created_at),
        "run_id": str(task.pk),
        "task_id": str(task.pk),
        "run_order_index": task.order_index,
        "test_suite_run_id": suite_run.suite_run_id,
        "project_name": suite_run.project_name,
        "branch_name": suite_run.branch,
        "user_id": suite_run.user_id,
        "number_of_concurrent_runs": suite_run.order_count,
        "commit_hash": suite_run.commit,
        "rspec_seed": suite_run.seed,
        "github_installation_id": suite_run.github_installation_id,
        "github_repo_full_name": suite_run.repository,
        "env_vars": env_vars,
        "switchyard": {
            "clone_url": suite_run.clone_url,
            "paths": suite_run.paths,
            "command": task.command,
            "test_files": task.test_files,
            "timeout_seconds": task.timeout_seconds,
            "log_cap_bytes": settings.LOG_CAP_BYTES,
        },
    }


def env_vars_of(assignment: Assignment) -> dict[str, str]:
    """Raises `cryptography.fernet.InvalidToken` where no configured key fits."""
    secret = TaskSecret.objects.filter(pk=assignment.task_id).first()
    values = encryption.decrypt_mapping(secret.ciphertext) if secret else {}
    return {str(name): str(value) for name, value in values.items()}


def _time(at: datetime) -> str:
    """As Rails writes it: UTC, milliseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
