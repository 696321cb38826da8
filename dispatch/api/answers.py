"""What the dispatch API sends back: plain dictionaries, and the schema of each."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from dispatch.api.requests import Paths
from dispatch.models import Assignment, SuiteRun, Task
from dispatch.outcomes import Category, TaskState


class Answer(serializers.Serializer[Any]):
    """Only described here: the functions below make it."""


def task(row: Task, backend: str) -> dict[str, Any]:
    """`backend` is that of the newest attempt."""
    run = row.suite_run
    return {
        "id": str(row.pk),
        "state": row.state,
        "category": row.category,
        "sentence": row.sentence,
        "backend": backend,
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
        "created_at": row.created_at.isoformat(),
        "finished_at": row.finished_at and row.finished_at.isoformat(),
    }


class TaskAnswer(Answer):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=TaskState.choices)
    category = serializers.CharField(help_text="Why it ended; empty while it has not.")
    sentence = serializers.CharField(help_text="The same for people.")
    backend = serializers.CharField(help_text="Of the newest attempt; empty while there is none.")
    rule = serializers.CharField(help_text="The routing rule that chose the suite run's backend.")
    account = serializers.CharField()
    suite_run_id = serializers.CharField()
    repository = serializers.CharField()
    commit = serializers.CharField()
    branch = serializers.CharField()
    order_index = serializers.IntegerField()
    order_count = serializers.IntegerField()
    seed = serializers.IntegerField()
    project_name = serializers.CharField()
    user_id = serializers.CharField()
    github_installation_id = serializers.CharField()
    clone_url = serializers.CharField()
    paths = Paths()
    test_files = serializers.ListField(child=serializers.CharField(), allow_null=True)
    command = serializers.CharField(allow_null=True)
    timeout_seconds = serializers.IntegerField()
    priority = serializers.IntegerField()
    labels = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


PHASES = (
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


def attempt(row: Assignment) -> dict[str, Any]:
    times = {name: getattr(row, name) for name in PHASES}
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
        **{name: at and at.isoformat() for name, at in times.items()},
    }


class AttemptAnswer(Answer):
    """One Assignment: when it reached what, by the server's clock."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    purpose = serializers.CharField()
    backend = serializers.CharField()
    category = serializers.ChoiceField(choices=Category.choices, allow_blank=True)
    sentence = serializers.CharField()
    exit_code = serializers.IntegerField(allow_null=True)
    example_count = serializers.IntegerField(allow_null=True)
    failure_count = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    placed_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    claimed_at = serializers.DateTimeField(allow_null=True)
    cloned_at = serializers.DateTimeField(allow_null=True)
    built_at = serializers.DateTimeField(allow_null=True)
    services_ready_at = serializers.DateTimeField(allow_null=True)
    tests_started_at = serializers.DateTimeField(allow_null=True)
    reported_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    released_at = serializers.DateTimeField(allow_null=True)


def task_with_attempts(row: Task, attempts: Sequence[Assignment]) -> dict[str, Any]:
    """`attempts` in the order of their numbers."""
    primary = [item for item in attempts if item.purpose == "primary"]
    backend = primary[-1].backend if primary else row.suite_run.backend
    return task(row, backend) | {"attempts": [attempt(item) for item in attempts]}


class TaskWithAttemptsAnswer(TaskAnswer):
    attempts = AttemptAnswer(many=True)


def suite_run(run: SuiteRun, tasks: Sequence[Task]) -> dict[str, Any]:
    return {
        "account": run.account,
        "suite_run_id": run.suite_run_id,
        "backend": run.backend,
        "rule": run.rule,
        "tasks": [task(row, run.backend) for row in tasks],
    }


class SuiteRunAnswer(Answer):
    account = serializers.CharField()
    suite_run_id = serializers.CharField()
    backend = serializers.CharField()
    rule = serializers.CharField()
    tasks = TaskAnswer(many=True)


class ProblemErrorAnswer(Answer):
    field = serializers.CharField(help_text="As in paths.dockerfile or tasks[3].order_index.")
    message = serializers.CharField(help_text="What is wrong, and what to do about it.")


class ProblemAnswer(Answer):
    """A problem document (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = ProblemErrorAnswer(many=True)  # type: ignore[assignment]
