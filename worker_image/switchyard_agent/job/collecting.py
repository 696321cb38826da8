"""What the containers have left behind: last words, results, screenshots."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StepFailed
from ..plain_files import copy_plain, list_plain, open_plain
from ..results import LARGEST_UPLOAD
from .scripts import ARTIFACTS_FOLDER, RESULTS_FOLDER

if TYPE_CHECKING:
    from .job import Job

REMEMBERED_BYTES = 4000
LARGEST_ARTIFACT = 20_000_000
MOST_RESULTS, MOST_ARTIFACTS = 100, 200
RESULTS_SUFFIXES = (".json", ".xml")


def last_lines(root: Path, name: str, lines: int = 3) -> str:
    """Of a file, those that are not empty; nothing where it is not there."""
    with suppress(OSError):
        file = open_plain(root, name)
        try:
            size = os.fstat(file).st_size
            data = os.pread(file, REMEMBERED_BYTES, max(0, size - REMEMBERED_BYTES))
        finally:
            os.close(file)
        found = [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
        return "\n".join(found[-lines:])
    return ""


def send_results(job: Job) -> None:
    """Each file under its own name, from a copy: the tests' container can still write to it. Raises
    StepFailed where some are left out and nothing else tells of a failure: what nobody knows is no
    pass."""
    names = list_plain(job.out.folder, RESULTS_FOLDER)
    wanted = [name for name in names if name.endswith(RESULTS_SUFFIXES)]
    sent = 0
    for name in _some(job, wanted, MOST_RESULTS, "results files"):
        if copy := _copy(job, RESULTS_FOLDER, name, LARGEST_UPLOAD):
            job.report.results(copy, name)
            sent += 1
    names = list_plain(job.out.folder, ARTIFACTS_FOLDER)
    for name in _some(job, names, MOST_ARTIFACTS, "artifacts"):
        if copy := _copy(job, ARTIFACTS_FOLDER, name, LARGEST_ARTIFACT):
            job.report.artifact(copy, name)
    if sent < len(wanted) and job.exit_code == 0:
        raise StepFailed(
            f"{len(wanted) - sent} of {len(wanted)} results files are not sent and may tell of "
            "failures: see the system log, and write fewer or smaller ones"
        )


def _some(job: Job, names: list[str], most: int, what: str) -> list[str]:
    if len(names) > most:
        job.say(f"Of {len(names)} {what} the first {most} are sent")
    return names[:most]


def _copy(job: Job, folder: str, name: str, most: int) -> Path | None:
    """Says why there is none."""
    place = job.settings.work / folder
    try:
        place.mkdir(exist_ok=True)
        copy = place / f"{len(list(place.iterdir()))}{Path(name).suffix[:10]}"
        copy_plain(job.out.folder, f"{folder}/{name}", copy, most=most)
    except OSError as error:
        job.say(f"{name} is not sent: {error.strerror or error}")
        return None
    return copy
