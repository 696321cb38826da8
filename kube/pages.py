"""The Kubernetes backend in the console: the Jobs in flight, and the story of one."""

from typing import Any

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from dispatch import waiting
from dispatch.models import Assignment, BackendStatus, TaskEvent
from dispatch.operators import OperatorRequest, operator_page
from kube import flight
from kube.config import config
from kube.names import BACKEND

SHOWN_JOBS = 200
SHOWN_REASONS = 5
SHOWN_BUILDS = 50
SHOWN_EVENTS = 200
CHOICES = (("", "All"), (flight.WAITING, "Waiting only"), (flight.STOPPING, "Stopping only"))


class Shown(forms.Form):
    only = forms.ChoiceField(choices=CHOICES, required=False)


@require_GET
@vary_on_headers("HX-Request")
@operator_page
def jobs(request: OperatorRequest) -> HttpResponse:
    shown = Shown(request.GET)
    only = shown.cleaned_data["only"] if shown.is_valid() else ""
    context = {"shown": shown, "only": only, "choices": CHOICES, **_jobs(only)}
    name = "kube/_jobs.html" if request.htmx else "kube/jobs.html"
    return render(request, name, context)


def _jobs(only: str) -> dict[str, Any]:
    counts = flight.counts()
    rows = list(flight.in_flight(only)[: SHOWN_JOBS + 1])
    return {
        "counts": counts,
        "limit": config().limit,
        "queue": flight.queue(),
        "builds": flight.builds(SHOWN_BUILDS),
        "status": BackendStatus.objects.filter(name=BACKEND).first(),
        "reasons": waiting.reasons(BACKEND, SHOWN_REASONS),
        "flights": [flight.flight(row) for row in rows[:SHOWN_JOBS]],
        "more": len(rows) > SHOWN_JOBS,
        "shown_jobs": SHOWN_JOBS,
    }


@require_GET
@vary_on_headers("HX-Request")
@operator_page
def job(request: OperatorRequest, external_id: str) -> HttpResponse:
    row = flight.find(external_id)
    if row is None:
        raise Http404("No Assignment is known by this Job's name and UID.")
    name = "kube/_job.html" if request.htmx else "kube/job.html"
    return render(request, name, _job(row))


def _job(row: Assignment) -> dict[str, Any]:
    events = TaskEvent.objects.filter(assignment=row).order_by("-seq")[:SHOWN_EVENTS]
    return {
        "flight": flight.flight(row),
        "assignment": row,
        "task": row.task,
        "suite_run": row.task.suite_run,
        "story": list(flight.story(row)),
        "events": list(events)[::-1],
        "namespace": config().manifest.namespace,
    }
