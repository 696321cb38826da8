"""Looks whether everything is there that work needs, before work needs it."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table
from rich.text import Text

from controlplane import preflight
from controlplane.preflight import Line

WIDTH = 140  # where there is no terminal to ask
COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


class Command(BaseCommand):
    help = (
        "Check settings, database, keys, processes and every backend. "
        "The exit code is 1 where there is an error."
    )
    requires_system_checks: list[str] = []  # they are findings here, not a reason to stop

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *arguments: Any, **options: Any) -> None:
        lines = list(preflight.run())
        if options["json"]:
            rows = [{"area": line.area, **asdict(line.finding)} for line in lines]
            self.stdout.write(json.dumps(rows))
        else:
            self._print(lines)
        if any(line.finding.level == "error" for line in lines):
            sys.exit(1)

    def _print(self, lines: list[Line]) -> None:
        table = Table("", "Area", "Finding", "Remedy")
        for line in lines:
            level = line.finding.level
            mark = Text(level, style=COLOURS[level])
            table.add_row(mark, line.area, Text(line.finding.text), Text(line.finding.remedy))
        console = Console(width=None if self.stdout.isatty() else WIDTH)
        with console.capture() as printed:
            console.print(table)
        self.stdout.write(printed.get())
