"""One Task: its facts, its time, its attempts, what they reported, and why it is where it is."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods
from django.views.decorators.vary import vary_on_headers

from controlplane.console import logs
from controlplane.console.examples import failing_examples
from controlplane.console.timeline import timeline
from dispatch import backends
from dispatch.models import (
    Artifact,
    Assignment,
    DropletLife,
    LogStream,
    RefusedReport,
    SuiteRun,
    Task,
    TrafficSplit,
)
from dispatch.models.assignment import Purpose
from dispatch.operators import OperatorRequest, actor_of, operator_page
from dispatch.why import explain

SHOWN_EVENTS = 300
SHOWN_REFUSED = 20
# Which stream a person wants to see first.
FIRST_STREAMS = ("test", "build", "system")
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
RULES = {
    "": "No backend was configured when it arrived; it waits until one is.",
    "none": "No backend was configured when it arrived; it waits until one is.",
    "only": "Not both backends of the Rollout were configured, so there was nothing to choose.",
    "eligibility": "Only one of the backends can run it.",
    "empty_key": "Its routing key is empty, and then the old backend takes it.",
    "hash": "Its bucket was compared with the weight.",
}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An Assignment with the name and page of what held it, where the backend has one."""

    row: Assignment
    holder: str
    url: str
    # The Task that built the image it runs, where that was another one.
    image_task: UUID | None = None

    @property
    def state(self) -> str:
        if self.row.category:
            return self.row.category
        if self.row.claimed_at:
            return "running"
        return "assigned" if self.row.external_id else "queued"


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """`ended` was the last attempt on one backend, `following` the first on the other."""

    ended: Assignment
    following: Assignment


@require_GET
@vary_on_headers("HX-Request")
@operator_page
def task_page(request: OperatorRequest, task_id: UUID) -> HttpResponse:
    """Polled while the Task goes on; when it has ended, the whole page is loaded once more."""
    task = get_object_or_404(Task.objects.select_related("suite_run", "client"), pk=task_id)
    rows = list(Assignment.objects.filter(task=task).order_by("number"))
    settled = task.ended and all(row.released_at for row in rows)
    if request.htmx:
        response = render(request, "console/_task.html", _facts(task, rows, settled))
        if settled:
            response["HX-Refresh"] = "true"
        return response
    context = _facts(task, rows, settled) | _reports(task, rows) | _log(request, task, rows)
    return render(request, "console/task.html", context | _why(task.suite_run))


def _why(suite_run: SuiteRun) -> dict[str, Any]:
    """The stored decision in words, and what comes out when it is computed once more."""
    entries = TrafficSplit.objects.filter(pk=suite_run.configuration_version or 0)
    return {
        "rule": RULES.get(suite_run.rule, f"By the rule {suite_run.rule}."),
        "entry": entries.first(),
        "story": explain(suite_run) if suite_run.rule else None,
    }


def _facts(task: Task, rows: list[Assignment], settled: bool) -> dict[str, Any]:
    """What changes while the Task goes on."""
    now = timezone.now()
    events = task.events.select_related("assignment").order_by("-seq")[:SHOWN_EVENTS]
    return {
        "task": task,
        "suite_run": task.suite_run,
        "settled": settled,
        "age": (task.finished_at or now) - task.created_at,
        "attempts": _attempts(rows),
        "fallbacks": _fallbacks(rows),
        "waiting": [row for row in rows if row.live and row.pending],
        "timeline": timeline(task.created_at, rows, now),
        "events": list(events)[::-1],
        "webhooks": task.webhooks.order_by("sequence"),
    }


def _attempts(rows: list[Assignment]) -> list[Attempt]:
    holders = [row.external_id for row in rows if row.external_id]
    names, builders = _droplet_names(holders), _tasks_of([row.image_from for row in rows])
    return [
        Attempt(
            row=row,
            holder=names.get(row.external_id or "", _name_of(row.external_id or "")),
            url=_holder_url(row),
            image_task=builders.get(row.image_from),
        )
        for row in rows
    ]


def _tasks_of(assignment_ids: list[UUID | None]) -> dict[UUID | None, UUID]:
    wanted = [one for one in assignment_ids if one]
    rows = Assignment.objects.filter(pk__in=wanted) if wanted else Assignment.objects.none()
    return dict(rows.values_list("pk", "task_id"))


def _name_of(external_id: str) -> str:
    """Some backends put a unique id behind the name."""
    return external_id.partition("/")[0]


def _fallbacks(rows: list[Assignment]) -> list[Fallback]:
    primary = [row for row in rows if row.purpose == Purpose.PRIMARY]
    return [
        Fallback(ended=ended, following=following)
        for ended, following in pairwise(primary)
        if ended.backend != following.backend
    ]


def _droplet_names(holders: list[str]) -> dict[str, str]:
    """From the ledger, which outlives the droplet backend."""
    ids = [UUID(holder) for holder in holders if re.fullmatch(r"[0-9a-f-]{36}", holder)]
    lives = DropletLife.objects.filter(worker_id__in=ids).values_list("worker_id", "name")
    return {str(worker_id): name for worker_id, name in lives}


def _holder_url(row: Assignment) -> str:
    entry = backends.entries().get(row.backend)
    if entry is None or not entry.holder_url or row.external_id is None:
        return ""
    try:
        return reverse(entry.holder_url, args=[row.external_id])
    except NoReverseMatch:  # an id that this backend never gave
        return ""


def _reports(task: Task, rows: list[Assignment]) -> dict[str, Any]:
    files = [file for row in rows for file in row.result_files.order_by("name").defer("data")]
    return {
        "result_files": files,
        "failing": failing_examples(files),
        "artifacts": Artifact.objects.filter(assignment__task=task).defer("data").order_by("id"),
        "image_types": IMAGES,
        "refused": RefusedReport.objects.filter(assignment__task=task)
        .defer("body")
        .order_by("-id")[:SHOWN_REFUSED],
    }


def _log(request: OperatorRequest, task: Task, rows: list[Assignment]) -> dict[str, Any]:
    """The stream that was asked for (`?log=2:build`), or the one to look at first."""
    found = LogStream.objects.filter(assignment__task=task).select_related("assignment")
    streams = sorted(found, key=lambda stream: (stream.assignment.number, stream.name))
    wanted = request.GET.get("log", "")
    chosen = [one for one in streams if f"{one.assignment.number}:{one.name}" == wanted]
    selected = chosen[0] if chosen else _first(streams)
    return {"streams": streams, "excerpt": logs.tail(selected) if selected else None}


def _first(streams: list[LogStream]) -> LogStream | None:
    """Of the last attempt that logged anything."""
    ranks = {name: rank for rank, name in enumerate(FIRST_STREAMS)}

    def rank(stream: LogStream) -> tuple[int, int]:
        return -stream.assignment.number, ranks.get(stream.name, len(ranks))

    return min(streams, key=rank, default=None)


@require_http_methods(["GET", "POST"])
@operator_page
def cancel(request: OperatorRequest, task_id: UUID) -> HttpResponse:
    """GET asks, POST does it."""
    task = get_object_or_404(Task.objects.select_related("suite_run"), pk=task_id)
    if request.method == "GET":
        return render(request, "console/cancel.html", {"task": task})
    if task.cancel(actor=actor_of(request).name):
        messages.success(request, "The Task is cancelled. What runs for it is being stopped.")
    else:
        messages.error(request, "The Task ended before it could be cancelled.")
    return redirect("console:task", task.pk)


@require_GET
@operator_page
def artifact(request: OperatorRequest, task_id: UUID, artifact_id: int) -> HttpResponse:
    """Pictures are shown, anything else is downloaded: it came from the tests, trust nothing."""
    found = get_object_or_404(Artifact, pk=artifact_id, assignment__task_id=task_id)
    shown = found.content_type in IMAGES
    response = HttpResponse(
        bytes(found.data),
        content_type=found.content_type if shown else "application/octet-stream",
    )
    name = re.sub(r"[^A-Za-z0-9_. -]", "_", found.name)
    response["Content-Disposition"] = f'{"inline" if shown else "attachment"}; filename="{name}"'
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
