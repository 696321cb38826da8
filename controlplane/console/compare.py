"""The backends side by side."""

from datetime import timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from controlplane import figures
from dispatch import comparison
from dispatch.operators import OperatorRequest, operator_page

WINDOWS = {
    "hour": ("Last hour", timedelta(hours=1)),
    "day": ("Last 24 hours", timedelta(days=1)),
    "week": ("Last 7 days", timedelta(days=7)),
    "month": ("Last 30 days", timedelta(days=30)),
}


@require_GET
@operator_page
def compare(request: OperatorRequest) -> HttpResponse:
    key = request.GET.get("window", "day")
    key = key if key in WINDOWS else "day"
    until = timezone.now()
    since = until - WINDOWS[key][1]
    lines = [(figures.title_of(line.backend), line) for line in comparison.summary(since, until)]
    context = {
        "window": key,
        "windows": [(name, title) for name, (title, _) in WINDOWS.items()],
        "since": since,
        "until": until,
        "lines": lines,
        "empty": not any(line.tasks for _, line in lines),
    }
    return render(request, "console/comparison.html", context)
