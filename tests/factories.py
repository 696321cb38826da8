"""Rows for tests: plain functions that make one thing each, with what it needs around it."""

import secrets
from typing import Any

from dispatch.ids import new_id
from dispatch.models import ApiClient, Assignment, SuiteRun, Task, TaskEvent


def make_client(name: str = "rails", **facts: Any) -> ApiClient:
    client, _ = ApiClient.objects.get_or_create(name=name, defaults=facts)
    return client


def make_suite_run(**facts: Any) -> SuiteRun:
    defaults = {
        "account": "acme",
        "suite_run_id": f"build-{new_id()}",
        "repository": "acme/shop",
        # Suite runs of one commit share an image.
        "commit": secrets.token_hex(20),
        "branch": "main",
        "order_count": 4,
        "seed": 1234,
        "project_name": "shop",
        "backend": "droplets",
        "rule": "only",
    }
    return SuiteRun.objects.create(**(defaults | facts))


def make_task(suite_run: SuiteRun | None = None, **facts: Any) -> Task:
    """A queued Task with its first Assignment and its first event, as the dispatch API makes it."""
    suite_run = suite_run or make_suite_run()
    defaults = {
        "client": make_client(),
        "suite_run": suite_run,
        "order_index": suite_run.tasks.count() + 1,
        "timeout_seconds": 600,
    }
    task = Task.objects.create(**(defaults | facts))
    Assignment.objects.create(
        task=task,
        backend=suite_run.backend,
        account=suite_run.account,
        priority=task.priority,
    )
    TaskEvent.objects.create(task=task, seq=1, kind="task.queued")
    return task


def make_assignment(suite_run: SuiteRun | None = None, **facts: Any) -> Assignment:
    """The first Assignment of a new Task."""
    return make_task(suite_run, **facts).assignments.select_related("task__suite_run").get()
