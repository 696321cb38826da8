"""Which repositories can move to the new backend, and what holds the others back."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from dispatch.readiness import report, totals


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
        table = Table("Account", "Repository", "Suite runs", "Able", "State", "What to change")
        for row in rows:
            counts = (str(row.suite_runs), str(row.able))
            table.add_row(row.account, row.repository, *counts, row.state, "\n".join(row.reasons))
        Console(width=None if self.stdout.isatty() else 140).print(table)
        sums = totals(rows)
        share = "none was asked about" if sums.percent is None else f"{sums.percent:.1f} %"
        self.stdout.write(
            f"{sums.ready} of {sums.repositories} repositories ready; suite runs that can move: "
            f"{share}."
        )
