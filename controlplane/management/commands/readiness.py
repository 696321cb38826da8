"""Which repositories can move to the new backend, and what holds the others back."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from dispatch.readiness import report


class Command(BaseCommand):
    help = "List each repository with recent suite runs: ready for the new backend, or why not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=14, help="how far to look back (14)")
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = report(timezone.now() - timedelta(days=options["days"]))
        if options["json"]:
            ready = [{**asdict(row), "ready": row.ready} for row in rows]
            self.stdout.write(json.dumps(ready, default=str))
            return
        table = Table("Account", "Repository", "Suite runs", "Able", "Ready", "What to change")
        for row in rows:
            counts = (str(row.suite_runs), str(row.able))
            verdict = "yes" if row.ready else "no"
            table.add_row(row.account, row.repository, *counts, verdict, "\n".join(row.reasons))
        Console(width=None if self.stdout.isatty() else 140).print(table)
        self.stdout.write(f"{sum(row.ready for row in rows)} of {len(rows)} repositories ready.")
