"""The list of Tasks: filters, and pages by key, so that page 1,000 costs what page 1 does."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from controlplane import figures
from dispatch.models import Assignment, SuiteRun, Task
from dispatch.models.assignment import Purpose
from dispatch.operators import OperatorRequest, operator_page
from dispatch.outcomes import TERMINAL, TaskState

PAGE = 50
FEW = 500
ALL_OPEN = "open"
STATES = [("", "any state"), (ALL_OPEN, "not ended"), *TaskState.choices]


class Filters(forms.Form):
    state = forms.ChoiceField(choices=STATES, required=False)
    backend = forms.ChoiceField(required=False)
    account = forms.CharField(required=False, max_length=100)
    repository = forms.CharField(required=False, max_length=200)
    text = forms.CharField(
        required=False,
        max_length=200,
        label="Search",
        widget=forms.TextInput(attrs={"placeholder": "id, suite run, commit, branch"}),
    )
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        names = [(name, figures.title_of(name)) for name in figures.known_backends()]
        self.fields["backend"].choices = [("", "any backend"), *names]  # type: ignore[attr-defined]

    @property
    def in_use(self) -> dict[str, str]:
        """The filters that are set, without the place in the list."""
        return {
            name: str(value)
            for name, value in self.cleaned_data.items()
            if value and name != "before"
        }


@require_GET
@vary_on_headers("HX-Request")
@operator_page
def task_list(request: OperatorRequest) -> HttpResponse:
    filters = Filters(request.GET)
    context: dict[str, Any] = {"filters": filters, "tasks": [], "in_use": {}}
    if filters.is_valid():
        found = list(matching(filters.cleaned_data)[: PAGE + 1])
        context |= {
            "tasks": found[:PAGE],
            "in_use": filters.in_use,
            "first_page": f"?{urlencode(filters.in_use)}",
            "older": _older(filters, found),
            "any_task": bool(found) or Task.objects.exists(),
        }
    name = "console/_task_list.html" if request.htmx else "console/task_list.html"
    return render(request, name, context)


def _older(filters: Filters, found: list[Task]) -> str:
    if len(found) <= PAGE:
        return ""
    return f"?{urlencode({**filters.in_use, 'before': found[PAGE - 1].pk})}"


def matching(wanted: dict[str, Any]) -> QuerySet[Task]:
    """The Tasks that the filters let through, newest first, with their last attempt's facts."""
    attempts = Assignment.objects.filter(task=OuterRef("pk"), purpose=Purpose.PRIMARY)
    last = attempts.order_by("-number")
    rows = Task.objects.select_related("suite_run").annotate(
        backend=Subquery(last.values("backend")[:1]),
        attempts=Subquery(last.values("number")[:1]),
        started_at=Subquery(last.values("claimed_at")[:1]),
    )
    if wanted["state"] == ALL_OPEN:
        rows = rows.filter(state__in=sorted(set(TaskState.values) - TERMINAL))
    elif wanted["state"]:
        rows = rows.filter(state=wanted["state"])
    if wanted["backend"]:
        rows = rows.filter(Exists(attempts.filter(backend=wanted["backend"])))
    if wanted["before"]:
        rows = rows.filter(pk__lt=wanted["before"])
    return _by_text(rows, wanted).order_by("-pk")


def _by_text(rows: QuerySet[Task], wanted: dict[str, Any]) -> QuerySet[Task]:
    suite_runs = SuiteRun.objects.all()
    if wanted["account"]:
        suite_runs = suite_runs.filter(account=wanted["account"])
    if wanted["repository"]:
        suite_runs = suite_runs.filter(repository__icontains=wanted["repository"])
    if wanted["account"] or wanted["repository"]:
        rows = rows.filter(_of(suite_runs))
    if wanted["text"]:
        rows = rows.filter(_names(wanted["text"].strip()))
    return rows


def _names(text: str) -> Q:
    """What a text may name: a Task, an attempt, a suite run, a commit or a branch."""
    named = Q(suite_run_id=text) | Q(commit__startswith=text.lower()) | Q(branch__icontains=text)
    try:
        key = UUID(text)
    except ValueError:
        return _of(SuiteRun.objects.filter(named))
    by_suite_run = _of(SuiteRun.objects.filter(suite_run_id=text))
    return by_suite_run | Q(pk=key) | Q(pk__in=Assignment.objects.filter(pk=key).values("task"))


def _of(suite_runs: QuerySet[SuiteRun]) -> Q:
    """The Tasks of these suite runs. Few are named one by one: the database would walk through
    all Tasks in search of what is rare or not there. Of many it finds a page soon."""
    found = list(suite_runs.values_list("pk", flat=True)[: FEW + 1])
    return Q(suite_run__in=found if len(found) <= FEW else suite_runs.values("pk"))
