"""Which repositories can move to the new backend, and what holds the others back."""

from datetime import timedelta

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from controlplane import figures
from dispatch import readiness as moving
from dispatch.operators import OperatorRequest, operator_page

DAYS = 14
MOST_DAYS = 366
PRESETS = (1, 7, 14, 90)


class Time(forms.Form):
    days = forms.IntegerField(
        min_value=1,
        max_value=MOST_DAYS,
        required=False,
        label="Days to look back",
        error_messages={"invalid": f"Give a whole number of days, 1 to {MOST_DAYS}."},
    )


@require_GET
@operator_page
def readiness(request: OperatorRequest) -> HttpResponse:
    """`?days=` chooses how far back suite runs count."""
    form = Time(request.GET if "days" in request.GET else None)
    days = (form.cleaned_data["days"] or DAYS) if form.is_valid() else DAYS
    lines = [] if form.errors else moving.report(timezone.now() - timedelta(days=days))
    new = settings.ROLLOUT["new"]
    context = {
        "form": form,
        "days": days,
        "presets": PRESETS,
        "lines": lines,
        "totals": moving.totals(lines),
        "title": figures.title_of(new),
        "missing": new not in settings.BACKENDS,
    }
    return render(request, "console/readiness.html", context, status=422 if form.errors else 200)
