"""Take over droplets that run already."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from droplets.cloud import Cloud
from droplets.config import config
from droplets.importing import COLUMNS, ImportRefused, read, take_over


class Command(BaseCommand):
    help = (
        f"Take over running droplets from a CSV file ({','.join(COLUMNS)}), all or none. "
        "Import idle ones only: a droplet that still runs a Task of somebody else is better "
        "left to end it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the CSV file, or - for standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            workers = take_over(read(_lines(options["file"])), Cloud(config()))
        except ImportRefused as error:
            raise CommandError(f"Nothing was imported.\n{error}") from None
        for worker in workers:
            self.stdout.write(f"{worker.pk} {worker.name}")
        self.stdout.write(f"{len(workers)} Workers imported.")


def _lines(name: str) -> list[str]:
    if name == "-":
        return sys.stdin.read().splitlines()
    try:
        return Path(name).read_text().splitlines()
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from None
