"""Runs the background functions: the qcluster under a supervisor."""

from typing import Any

from django.core.management.base import BaseCommand

from controlplane.supervision import Supervisor


class Command(BaseCommand):
    help = "Run the background functions. Restarts the qcluster when it falls silent."

    def handle(self, *arguments: Any, **options: Any) -> None:
        Supervisor().run()
