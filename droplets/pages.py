"""The droplets in the console: the pool, one Worker, draining and decommissioning."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from dispatch.models import Assignment, DropletLife
from dispatch.operators import OperatorRequest, actor_of, operator_page
from droplets.config import config
from droplets.metrics import counts
from droplets.models import DecommissionRefused, Orphan, PoolRequest, Worker, WorkerState

SHOWN_GONE = 15
SHOWN_EVENTS = 100
QUIET_AFTER = timedelta(seconds=30)


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Say why: the reason is kept beside what was done."},
    )


class DecommissionForm(ReasonForm):
    """Confirmed by typing the Worker's name."""

    name = forms.CharField(
        max_length=255,
        label="The Worker's name, typed",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Type the Worker's name to confirm."},
    )
    field_order = ("name", "reason")

    def __init__(self, worker: Worker, data: Any = None) -> None:
        super().__init__(data)
        self._worker = worker

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name != self._worker.name:
            raise forms.ValidationError(
                f"That is not its name: type {self._worker.name} to confirm."
            )
        return name


# The pool -------------------------------------------------------------------------------------


@require_GET
@vary_on_headers("HX-Request")
@operator_page
def pool(request: OperatorRequest) -> HttpResponse:
    if request.htmx:
        return render(request, "droplets/_pool.html", _pool())
    return render(request, "droplets/pool.html", _pool() | {"form": ReasonForm()})


@require_POST
@operator_page
def drain_pool(request: OperatorRequest) -> HttpResponse:
    """Two buttons: `drain`, and `fill`, which ends the drain."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return render(request, "droplets/pool.html", _pool() | {"form": form}, status=422)
    drain = "drain" in request.POST
    PoolRequest.ask(drain, actor_of(request).name, form.cleaned_data["reason"])
    if drain:
        text = "The pool drains: Workers finish what they run, and none is made."
    else:
        text = "The drain has ended: the pool makes Workers again."
    messages.success(request, text)
    return redirect("droplets:pool")


def _pool() -> dict[str, Any]:
    standing = list(Worker.standing().order_by("state", "created_at"))
    gone = list(
        Worker.objects.filter(destroyed_at__isnull=False).order_by("-destroyed_at")[:SHOWN_GONE]
    )
    lines = _lines(standing)
    return {
        "counts": counts(),
        "config": config(),
        "lines": lines,
        "hourly": sum((line["price"] or Decimal(0) for line in lines), Decimal(0)),
        "gone": _lines(gone),
        "orphans": Orphan.objects.order_by("first_seen_at"),
        "request_in_force": PoolRequest.objects.order_by("-id").first(),
    }


def _lines(workers: list[Worker]) -> list[dict[str, Any]]:
    """Each Worker with its Task and its price."""
    lives = DropletLife.objects.filter(worker_id__in=[worker.pk for worker in workers])
    prices = dict(lives.values_list("worker_id", "hourly_price"))
    held = [worker.assignment_id for worker in workers if worker.assignment_id]
    rows = Assignment.objects.filter(pk__in=held).select_related("task__suite_run")
    assignments = {row.pk: row for row in rows}
    return [
        {
            "worker": worker,
            "assignment": worker.assignment_id and assignments.get(worker.assignment_id),
            "price": prices.get(worker.pk),
            "quiet": _is_quiet(worker),
        }
        for worker in workers
    ]


def _is_quiet(worker: Worker) -> bool:
    """An idle one polls every few seconds; a busy one may rightly be silent for long."""
    seen = worker.last_seen_at
    idle = worker.state == WorkerState.IDLE
    return idle and (seen is None or timezone.now() - seen > QUIET_AFTER)


# One Worker -----------------------------------------------------------------------------------


@require_GET
@vary_on_headers("HX-Request")
@operator_page
def worker(request: OperatorRequest, worker_id: UUID) -> HttpResponse:
    found = get_object_or_404(Worker, pk=worker_id)
    if request.htmx:
        return render(request, "droplets/_worker.html", _worker(found))
    return _worker_page(request, found)


def _worker(found: Worker) -> dict[str, Any]:
    events = found.events.order_by("-id")[:SHOWN_EVENTS]
    life = found.life().first()
    return {**_lines([found])[0], "life": life, "events": list(events)[::-1]}


def _worker_page(
    request: OperatorRequest,
    found: Worker,
    drain_form: ReasonForm | None = None,
    decommission_form: DecommissionForm | None = None,
) -> HttpResponse:
    forms_given = drain_form or decommission_form
    context = _worker(found) | {
        "drain_form": drain_form or ReasonForm(),
        "decommission_form": decommission_form or DecommissionForm(found),
    }
    return render(request, "droplets/worker.html", context, status=422 if forms_given else 200)


@require_POST
@operator_page
def drain(request: OperatorRequest, worker_id: UUID) -> HttpResponse:
    found = get_object_or_404(Worker, pk=worker_id)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _worker_page(request, found, drain_form=form)
    if found.request_drain(actor_of(request).name, form.cleaned_data["reason"]):
        messages.success(request, f"{found.name} drains: it takes nothing new, then retires.")
    else:
        messages.error(request, f"{found.name} is draining already, or has ended.")
    return redirect("droplets:worker", found.pk)


@require_POST
@operator_page
def decommission(request: OperatorRequest, worker_id: UUID) -> HttpResponse:
    found = get_object_or_404(Worker, pk=worker_id)
    form = DecommissionForm(found, request.POST)
    if not form.is_valid():
        return _worker_page(request, found, decommission_form=form)
    try:
        found.decommission(actor_of(request).name, form.cleaned_data["reason"])
    except DecommissionRefused as refusal:
        messages.error(request, str(refusal))
        found.refresh_from_db()
        return _worker_page(request, found, decommission_form=form)
    messages.success(request, f"{found.name} is retired; its droplet is being destroyed.")
    return redirect("droplets:worker", found.pk)
