"""What an agent is told when it has claimed its Assignment. Secrets are not in here: they come
from the mounted secret file."""

from typing import Any

from django.conf import settings

from dispatch.models import Assignment

DEFAULT_PATHS = {
    "dockerfile": ".saturnci/Dockerfile",
    "compose": ".saturnci/docker-compose.yml",
    "pre_script": ".saturnci/pre.sh",
    "service": "saturn_test_app",
}


def work_order(assignment: Assignment) -> dict[str, Any]:
    task, suite_run = assignment.task, assignment.task.suite_run
    return {
        "assignment_id": str(assignment.pk),
        "task_id": str(task.pk),
        "attempt": assignment.number,
        "account": suite_run.account,
        "suite_run_id": suite_run.suite_run_id,
        "repository": suite_run.repository,
        "clone_url": suite_run.clone_url or f"https://github.com/{suite_run.repository}.git",
        "commit": suite_run.commit,
        "branch": suite_run.branch,
        "project_name": suite_run.project_name,
        "user_id": suite_run.user_id,
        "github_installation_id": suite_run.github_installation_id,
        "order_index": task.order_index,
        "order_count": suite_run.order_count,
        "seed": suite_run.seed,
        "paths": {**DEFAULT_PATHS, **suite_run.paths},
        "command": task.command,
        "test_files": task.test_files,
        "timeout_seconds": task.timeout_seconds,
        "log_cap_bytes": settings.LOG_CAP_BYTES,
        "deadline": assignment.deadline_at,
    }
