"""The backends side by side, in the terminal or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rich.console import Console
from rich.table import Table

from dispatch.comparison import PHASES, BackendSummary, summary
from dispatch.measuring import Percentiles

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
        console = Console(width=None if self.stdout.isatty() else 140)
        console.print(table)
        console.print(_phases(rows))
        if any(row.attempts for row in rows):
            console.print(_failures(rows))


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


def _phases(rows: Sequence[BackendSummary]) -> Table:
    table = Table("Phase", *(row.backend for row in rows), title="Phase by phase, p50 / p95")
    for name in PHASES:
        table.add_row(name, *(_times(row.phases[name]) for row in rows))
    return table


def _failures(rows: Sequence[BackendSummary]) -> Table:
    """Attempts that brought no verdict, a line for each category that there was."""
    columns = [f"{row.backend} (of {row.attempts})" for row in rows]
    table = Table("Infrastructure failures", *columns, title="Attempts")
    for category in sorted({category for row in rows for category in row.failures}):
        table.add_row(category, *(str(row.failures.get(category, 0)) for row in rows))
    firsts = [f"{row.firsts_failed} of {row.firsts}" for row in rows]
    table.add_row("first attempts without a verdict", *firsts)
    table.add_row("to the other backend", *(str(row.fell_back) for row in rows))
    return table


def _times(value: Percentiles) -> str:
    """A p95 of few values is no more than a guess, and is not shown."""
    if value.p50 is None or value.p95 is None:
        return "—"
    p95 = "too few" if value.few else f"{value.p95:.1f} s"
    return f"{value.p50:.1f} s / {p95} (n={value.n})"
