"""GET: which of the client's repositories can move to the new backend."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from rest_framework.request import Request

from dispatch.api import queries
from dispatch.api.auth import client_of
from dispatch.models import Task
from dispatch.readiness import RepositoryReadiness, report, totals


def readiness(request: Request) -> dict[str, Any]:
    """Of the repositories for which this client sent Tasks."""
    wanted = queries.READINESS.read_from(request.query_params)
    since = timezone.now() - timedelta(days=wanted["days"])
    own = Task.objects.filter(suite_run=OuterRef("pk"), client=client_of(request))
    lines = report(since, only=Q(Exists(own)))
    sums = totals(lines)
    return {
        "new_backend": settings.ROLLOUT["new"],
        "since": since,
        "repositories": sums.repositories,
        "ready": sums.ready,
        "suite_runs": sums.suite_runs,
        "asked": sums.asked,
        "able": sums.able,
        "percent_able": sums.percent,
        "report": [_line(line) for line in lines],
    }


def _line(line: RepositoryReadiness) -> dict[str, Any]:
    return {
        "account": line.account,
        "repository": line.repository,
        "ready": line.ready,
        "suite_runs": line.suite_runs,
        "asked": line.asked,
        "able": line.able,
        "reasons": list(line.reasons),
        "newest_at": line.newest_at,
    }
