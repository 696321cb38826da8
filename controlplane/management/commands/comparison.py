"""The backends side by side, in the terminal or as JSON."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rich.console import Console
from rich.table import Table

from dispatch.comparison import BackendSummary, Percentiles, summary

COLUMNS = (
    "Backend",
    "Tasks",
    "passed",
    "failed",
    "errored",
    "cancelled",
    "queue wait p50/p95",
    "run p50/p95",
    "total p50/p95",
    "USD per Task",
)


class Command(BaseCommand):
    help = "Compare the backends: verdicts, times (p50/p95 in seconds, with n) and cost per Task."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", help="ISO 8601 time (default: 24 hours ago)")
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        until = timezone.now()
        since = _time(options["since"]) if options["since"] else until - timedelta(days=1)
        found = summary(since, until)
        rows = [row for row in found if row.tasks or row.backend in settings.BACKENDS]
        if options["json"]:
            self.stdout.write(json.dumps([_as_json(row) for row in rows], default=str))
            return
        table = Table(*COLUMNS, title=f"Tasks ended since {since:%Y-%m-%d %H:%M:%S} UTC")
        for row in rows:
            table.add_row(*_cells(row))
        Console(width=None if self.stdout.isatty() else 140).print(table)


def _time(text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"--since: {text!r} is no time; write it like 2026-01-31T12:00:00Z")
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def _as_json(row: BackendSummary) -> dict[str, Any]:
    return {**asdict(row), "tasks": row.tasks, "cost_per_task": row.cost_per_task}


def _cells(row: BackendSummary) -> list[str]:
    counts = [row.tasks, row.passed, row.failed, row.errored, row.cancelled]
    times = [_times(value) for value in (row.queue_wait, row.run, row.total)]
    cost = row.cost_per_task
    return [row.backend, *map(str, counts), *times, "—" if cost is None else f"{cost:.5f}"]


def _times(value: Percentiles) -> str:
    if value.p50 is None or value.p95 is None:
        return "—"
    return f"{value.p50:.1f} / {value.p95:.1f} s (n={value.n})"
