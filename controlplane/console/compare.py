"""The backends side by side, for a chosen time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from controlplane import figures
from controlplane.console.chart import chart
from controlplane.console.timeline import PHASES
from dispatch import comparison, rollout
from dispatch.comparison import BackendSummary
from dispatch.course import EMPTY, Bucket, Course, course
from dispatch.measuring import ENOUGH_FOR_P95, Percentiles
from dispatch.models import TrafficSplit
from dispatch.operators import OperatorRequest, operator_page
from dispatch.outcomes import OUTCOMES

WINDOWS = {
    "hour": ("Last hour", timedelta(hours=1)),
    "day": ("Last 24 hours", timedelta(days=1)),
    "week": ("Last 7 days", timedelta(days=7)),
    "month": ("Last 30 days", timedelta(days=30)),
}
LONGEST = timedelta(days=366)
SHOWN_CHANGES = 100
# What a browser's own field for a moment takes and gives; it knows no zone.
MOMENT = "%Y-%m-%dT%H:%M"
TIMES = (
    ("queue_wait", "Queue wait", "attempt queued until an agent claimed it"),
    ("run", "Run", "claimed until its outcome was decided"),
    ("total", "Total", "Task accepted until it ended, every attempt included"),
)


class Time(forms.Form):
    """`from` and `to`, in the console's zone; without `to` it is now."""

    def __init__(self, data: Mapping[str, Any] | None, *, initial: dict[str, datetime]) -> None:
        super().__init__(data, initial=initial)
        self.fields["from"] = _moment("From")
        self.fields["to"] = _moment("To")

    def clean(self) -> dict[str, Any]:
        now = timezone.now()
        since, until = self.cleaned_data.get("from"), self.cleaned_data.get("to") or now
        if self.errors:
            return self.cleaned_data
        if since is None:
            self.add_error("from", "Say where the time begins: this field is empty.")
        elif since >= now:
            self.add_error("from", "This is still to come: give a time that has passed.")
        elif since >= until:
            self.add_error("to", "This is not after the beginning: give a later time.")
        elif until - since > LONGEST:
            self.add_error("from", f"That is too long: {LONGEST.days} days are the most.")
        return self.cleaned_data


def _moment(label: str) -> forms.DateTimeField:
    return forms.DateTimeField(
        label=label,
        required=False,
        widget=forms.DateTimeInput(format=MOMENT, attrs={"type": "datetime-local"}),
        error_messages={"invalid": "This is no time: give one like 2026-01-31T12:00."},
    )


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The time that is shown; `window` is empty where it was given by hand."""

    since: datetime
    until: datetime
    window: str
    form: Time


@require_GET
@operator_page
def compare(request: OperatorRequest) -> HttpResponse:
    """`?window=` is one of WINDOWS; `?from=` and `?to=` choose any time."""
    chosen = _chosen(request)
    context: dict[str, Any] = {
        "form": chosen.form,
        "window": chosen.window,
        "windows": [(name, title) for name, (title, _) in WINDOWS.items()],
        "since_change": _since_change(),
        "since": chosen.since,
        "until": chosen.until,
    }
    if chosen.form.errors:
        return render(request, "console/comparison.html", context, status=422)
    return render(request, "console/comparison.html", context | _figures(chosen))


def _chosen(request: OperatorRequest) -> Chosen:
    now = timezone.now()
    key = request.GET.get("window", "day")
    key = key if key in WINDOWS else "day"
    since = now - WINDOWS[key][1]
    if not any(request.GET.get(name) for name in ("from", "to")):
        form = Time(None, initial={"from": since, "to": now})
        return Chosen(since=since, until=now, window=key, form=form)
    form = Time(request.GET, initial={})
    if form.is_valid():
        since = form.cleaned_data["from"]
        until = min(form.cleaned_data["to"] or now, now)
        return Chosen(since=since, until=until, window="", form=form)
    return Chosen(since=since, until=now, window="", form=form)


def _since_change() -> str:
    """The query of the time since the weight was changed last; empty where it never was."""
    newest = TrafficSplit.objects.order_by("-id").first()
    if newest is None:
        return ""
    return f"?{urlencode({'from': f'{timezone.localtime(newest.at):%Y-%m-%dT%H:%M:%S}'})}"


def _figures(chosen: Chosen) -> dict[str, Any]:
    lines = comparison.summary(chosen.since, chosen.until)
    changes = rollout.weight_changes(chosen.since, chosen.until)[-SHOWN_CHANGES:]
    went = course(chosen.since, chosen.until)
    return {
        "lines": [(figures.title_of(line.backend), line) for line in lines],
        "empty": not any(line.tasks or line.attempts for line in lines),
        "times": [_row(title, meaning, lines, key) for key, title, meaning in TIMES],
        "phases": [_phase(name, meaning, lines) for _, name, meaning in PHASES],
        "medians": list(_medians(lines)),
        "failures": list(_failures(lines)),
        "enough": ENOUGH_FOR_P95,
        "changes": changes,
        "weight_before": rollout.weight_before(chosen.since),
        "course": went,
        "chart": chart(went, changes),
        "buckets": list(_buckets(went)),
    }


@dataclass(frozen=True, kw_only=True)
class Row:
    """One length of time, for each backend."""

    name: str
    meaning: str
    times: tuple[Percentiles, ...]


def _row(title: str, meaning: str, lines: Sequence[BackendSummary], key: str) -> Row:
    times = tuple(getattr(line, key) for line in lines)
    return Row(name=title, meaning=meaning, times=times)


def _phase(name: str, meaning: str, lines: Sequence[BackendSummary]) -> Row:
    return Row(name=name, meaning=meaning, times=tuple(line.phases[name] for line in lines))


@dataclass(frozen=True, kw_only=True)
class Median:
    """A phase's median as drawn: `x` and `width` in percent of the longest backend's sum."""

    phase: str
    x: float
    width: float
    seconds: float


def _medians(lines: Sequence[BackendSummary]) -> Iterator[tuple[str, float, list[Median]]]:
    """Of each backend its title, the sum of its phases' medians, and these laid end to end."""
    sums = [sum(one.p50 or 0.0 for one in line.phases.values()) for line in lines]
    longest = max([*sums, 0.001])
    for line, total in zip(lines, sums, strict=True):
        x, found = 0.0, []
        for name, times in line.phases.items():
            width = 100 * (times.p50 or 0.0) / longest
            if times.p50:
                found.append(Median(phase=name, x=x, width=width, seconds=times.p50))
            x += width
        yield figures.title_of(line.backend), total, found


def _failures(lines: Sequence[BackendSummary]) -> Iterator[tuple[str, str, list[int]]]:
    """Category, its sentence, and how often on each backend: the most frequent first."""
    sums: dict[str, int] = {}
    for line in lines:
        for category, count in line.failures.items():
            sums[category] = sums.get(category, 0) + count
    for category in sorted(sums, key=lambda name: (-sums[name], name)):
        counts = [line.failures.get(category, 0) for line in lines]
        yield category, OUTCOMES[category].sentence, counts


def _buckets(went: Course) -> Iterator[tuple[datetime, list[Bucket]]]:
    """The picture's numbers; buckets in which nothing ended are left out."""
    for number in range(went.count):
        found = [series.get(number, EMPTY) for series in went.series.values()]
        if any(bucket.ended for bucket in found):
            yield went.start_of(number), found
