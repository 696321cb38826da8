"""GET: Tasks, their events and attempts. A client sees its own Tasks only."""

from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KeyTransform
from rest_framework.request import Request

from dispatch.api import answers, queries
from dispatch.api.auth import client_of
from dispatch.api.problems import NotFound
from dispatch.models import Assignment, Task, TaskEvent
from dispatch.models.assignment import Purpose

PLAIN_FILTERS = {
    "account": "suite_run__account",
    "suite_run_id": "suite_run__suite_run_id",
    "repository": "suite_run__repository",
    "state": "state",
    "backend": "backend",
    "created_after": "created_at__gt",
    "created_before": "created_at__lt",
    "cursor": "id__lt",
}


def find_task(request: Request, task_id: UUID) -> Task:
    """Raises NotFound also where another client's is."""
    rows = Task.objects.select_related("suite_run")
    task = rows.filter(pk=task_id, client=client_of(request)).first()
    if task is None:
        raise NotFound("id", "There is no such Task: list yours with GET /api/v1/tasks.")
    return task


def find_attempt(request: Request, task_id: UUID, number: int | None) -> Assignment:
    """One attempt of a Task: the newest primary one unless a number is given."""
    rows = Assignment.objects.filter(task=find_task(request, task_id)).order_by("-number")
    asked = rows.filter(purpose=Purpose.PRIMARY) if number is None else rows.filter(number=number)
    found = asked.first()
    if found is None:
        raise NotFound("attempt", "There is no such attempt: see `attempts` of the Task.")
    return found


def one_task(request: Request, task_id: UUID) -> dict[str, Any]:
    task = find_task(request, task_id)
    return answers.task_with_attempts(task, list(task.assignments.order_by("number")))


def list_tasks(request: Request) -> dict[str, Any]:
    wanted = queries.TASKS.read_from(request.query_params)
    rows = _with_backend(Task.objects.filter(client=client_of(request)))
    for name, lookup in PLAIN_FILTERS.items():
        if name in wanted:
            rows = rows.filter(**{lookup: wanted[name]})
    for number, (name, value) in enumerate(wanted.get("label", [])):
        rows = rows.alias(**{f"label_{number}": KeyTransform(name, "labels")})
        rows = rows.filter(**{f"label_{number}": value})
    return page(rows, wanted["limit"], "tasks", lambda row: answers.task(row, row.backend))


def _with_backend(rows: QuerySet[Task]) -> QuerySet[Any]:
    """Each with the backend of its newest primary attempt."""
    attempts = Assignment.objects.filter(task=OuterRef("pk"), purpose=Purpose.PRIMARY)
    newest = attempts.order_by("-number").values("backend")[:1]
    return rows.select_related("suite_run").annotate(backend=Subquery(newest))


def page(rows: QuerySet[Any], limit: int, name: str, answer: Any) -> dict[str, Any]:
    """The newest rows, and the cursor of the page that follows; null on the last one."""
    found = list(rows.order_by("-id")[: limit + 1])
    following = str(found[limit - 1].pk) if len(found) > limit else None
    return {name: [answer(row) for row in found[:limit]], "next": following}


def list_events(request: Request, task_id: UUID) -> dict[str, Any]:
    wanted = queries.EVENTS.read_from(request.query_params)
    rows = TaskEvent.objects.filter(task=find_task(request, task_id), seq__gt=wanted["after"])
    found = list(rows.order_by("seq")[: wanted["limit"] + 1])
    shown = found[: wanted["limit"]]
    more = len(found) > len(shown)
    return {
        "events": [answers.event(row) for row in shown],
        "next": shown[-1].seq if more else None,
    }
