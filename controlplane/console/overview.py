"""The overview: each backend, the loops, the webhooks that failed, and the weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from controlplane import figures
from controlplane.figures import Live
from dispatch import backends, comparison, following, routing, waiting, wake
from dispatch.models import BackendStatus, Webhook
from dispatch.operators import OperatorRequest, operator_page
from dispatch.waiting import WaitingReason

SHOWN_FAILURES = 10
SHOWN_REASONS = 3


@dataclass(frozen=True, kw_only=True)
class BackendLine:
    name: str
    title: str
    configured: bool
    live: Live
    ended: dict[str, int]
    status: BackendStatus | None
    facts: Sequence[tuple[str, str]]
    waiting: Sequence[WaitingReason]
    page: str


@require_GET
@vary_on_headers("HX-Request")
@operator_page
def overview(request: OperatorRequest) -> HttpResponse:
    name = "console/_overview.html" if request.htmx else "console/overview.html"
    return render(request, name, _context())


def _context() -> dict[str, Any]:
    failures = Webhook.objects.filter(failed_at__isnull=False).select_related("client")
    live, loops = figures.live(), figures.loops()
    return {
        "backends": _lines(live),
        "homeless": live.get("", Live()).queued,
        "split": routing.current_split(),
        "leader": figures.leader(),
        "loops": sorted(loops, key=lambda loop: loop.state == "ok"),
        "troubled_loops": [loop for loop in loops if loop.state != "ok"],
        "fallbacks": _fallbacks(),
        "webhooks": figures.webhooks(),
        "failures": failures.order_by("-failed_at")[:SHOWN_FAILURES],
    }


def _fallbacks() -> dict[str, Any]:
    """Of the last hour: how many there were of how many allowed, and the most frequent causes."""
    found = following.fallbacks_last_hour()
    causes = [
        {"from": left, "to": to, "category": category, "count": count}
        for (left, to, category), count in found.most_common(SHOWN_REASONS)
    ]
    return {"count": found.total(), "budget": settings.FALLBACKS_PER_HOUR, "causes": causes}


def _lines(live: dict[str, Live]) -> list[BackendLine]:
    statuses = figures.statuses()
    names = figures.known_backends()
    return [_line(name, live.get(name, Live()), statuses.get(name)) for name in names]


def _line(name: str, live: Live, status: BackendStatus | None) -> BackendLine:
    now = timezone.now()
    entry = backends.entries().get(name)
    return BackendLine(
        name=name,
        title=figures.title_of(name),
        configured=entry is not None,
        live=live,
        ended=comparison.verdicts(name, now - timedelta(hours=1), now),
        status=status,
        facts=list(entry.facts()) if entry else [],
        waiting=waiting.reasons(name, SHOWN_REASONS),
        page=entry.navigation[0].url_name if entry and entry.navigation else "",
    )


@require_POST
@operator_page
def redeliver(request: OperatorRequest, webhook_id: UUID) -> HttpResponse:
    webhook = get_object_or_404(Webhook, pk=webhook_id)
    webhook.redeliver()
    wake.send("webhooks")
    messages.success(request, f"{webhook.kind} (number {webhook.sequence}) will be sent again.")
    back = request.POST.get("back", "")
    if back == "task":
        return redirect("console:task", webhook.task_id)
    return redirect("console:overview")
