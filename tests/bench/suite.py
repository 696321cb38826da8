"""The measurements, each on databases of its own."""

from collections.abc import Sequence
from pathlib import Path

from django.core.management import call_command
from django.db import connection

from tests.bench import (
    accepting,
    assigning,
    bursting,
    creating,
    making,
    placing,
    polling,
    reconciling,
)
from tests.bench.progress import Progress
from tests.bench.results import Result
from tests.bench.scale import Scale
from tests.bench.site import Site, copy_database


class Suite:
    """`server_url` names an empty database."""

    def __init__(self, server_url: str, folder: Path, scale: Scale, progress: Progress) -> None:
        self._server_url = server_url
        self._folder = folder
        self._scale = scale
        self._progress = progress

    def measure(self, names: Sequence[str]) -> list[Result]:
        with self._progress.phase("Migrating a database"):
            call_command("migrate", run_syncdb=True, verbosity=0)
        return [result for name in names for result in self._measure(name)]

    def _measure(self, name: str) -> list[Result]:
        measures = {
            "create": creating.measure,
            "place": placing.measure,
            "poll": polling.measure,
            "assign": assigning.measure,
            "job": making.measure,
            "accept": accepting.measure,
            "reconcile": reconciling.measure,
            "burst": bursting.measure,
        }
        return measures[name](self._site, self._scale, self._progress)

    def _site(self, name: str) -> Site:
        """On a new copy of the migrated, empty database."""
        empty = self._server_url.rpartition("/")[2]
        connection.close()
        copy_database(self._server_url, empty, name)
        return Site(self._server_url, name, self._folder)
