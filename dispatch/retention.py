"""Deletes what has been kept long enough (`settings.RETENTION_DAYS`), in bounded batches."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from dispatch.models import (
    Artifact,
    Assignment,
    IdempotencyKey,
    LogStream,
    RefusedReport,
    ResultFile,
    TaskSecret,
    Webhook,
)
from dispatch.outcomes import TERMINAL

BATCH = 50


def apply(seconds: float) -> bool:
    """Delete for at most about so many seconds; False where something is left."""
    until = time.monotonic() + seconds
    return all(_delete(rows, until) for rows in _overdue())


def _overdue() -> Iterator[QuerySet[Any]]:
    """What Tasks that still run have reported is never overdue, nor is an unsettled webhook."""
    logs, results = _cutoff("logs"), _cutoff("results")
    yield LogStream.objects.filter(assignment__closed_at__lt=logs)
    yield RefusedReport.objects.filter(at__lt=logs)
    yield ResultFile.objects.filter(assignment__closed_at__lt=results)
    yield Artifact.objects.filter(assignment__closed_at__lt=results)
    settled = Webhook.objects.filter(next_attempt_at=None)
    yield settled.filter(created_at__lt=_cutoff("webhooks"))
    yield IdempotencyKey.objects.filter(created_at__lt=_cutoff("idempotency_keys"))
    yield _orphan_secrets()


def _cutoff(kind: str) -> datetime:
    return timezone.now() - timedelta(days=settings.RETENTION_DAYS[kind])


def _orphan_secrets() -> QuerySet[TaskSecret]:
    """Secrets of ended Tasks that no agent may still be reporting for."""
    told = Q(delivered_at__isnull=False) | Q(claimed_at__isnull=False)
    held = Assignment.objects.filter(told, task=OuterRef("task"), released_at=None)
    return TaskSecret.objects.filter(~Exists(held), task__state__in=TERMINAL)


def _delete(rows: QuerySet[Any], until: float) -> bool:
    while time.monotonic() < until:
        batch = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not batch:
            return True
        rows.model._default_manager.filter(pk__in=batch).delete()
    return False
