"""What the containers have left behind: last words, results, screenshots."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StepFailed
from ..plain_files import copy_plain, list_plain, open_plain
from ..results import LARGEST_UPLOAD
from ..worker_api import header_text
from .scripts import ARTIFACTS_FOLDER, RESULTS_FOLDER

if TYPE_CHECKING:
    from .job import Job

REMEMBERED_BYTES = 4000
LARGEST_ARTIFACT = 20_000_000
# As many as the control plane takes (docs/agent-api.md): what is left out here, it would refuse.
MOST_RESULTS, MOST_ARTIFACTS = 2000, 200
LARGEST_RESULTS = 200_000_000
LONGEST_NAME = 200
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
    sent = _send_results(job, _some(job, wanted, MOST_RESULTS, "results files"))
    names = list_plain(job.out.folder, ARTIFACTS_FOLDER)
    for place, name in enumerate(_some(job, names, MOST_ARTIFACTS, "artifacts")):
        if copy := _copy(job, ARTIFACTS_FOLDER, name, LARGEST_ARTIFACT, place):
            job.report.artifact(copy, name)
    if sent < len(wanted) and job.exit_code == 0:
        raise StepFailed(
            f"{len(wanted) - sent} of {len(wanted)} results files are not sent and may tell of "
            "failures: see the system log, and write fewer or smaller ones"
        )


def _send_results(job: Job, names: list[str]) -> int:
    """How many are sent."""
    taken: set[str] = set()
    left = LARGEST_RESULTS
    for place, name in enumerate(names):
        copy = _copy(job, RESULTS_FOLDER, name, LARGEST_UPLOAD, place)
        if copy is None:
            continue
        size = copy.stat().st_size
        if size > left:
            job.say(f"{name} is not sent: the results may have {LARGEST_RESULTS} bytes together")
            copy.unlink()
            continue
        left -= size
        taken.add(known_as := _name_of_its_own(name, place, taken))
        job.report.results(copy, known_as)
    return len(taken)


def _name_of_its_own(name: str, place: int, taken: set[str]) -> str:
    """As the control plane will know it. The same name replaces, so what a header cannot carry, or
    what is cut off, must not make one of two."""
    plain = header_text(name).replace("\\", "_").strip()
    if len(plain) <= LONGEST_NAME and plain not in taken:
        return plain
    stem, suffix = os.path.splitext(plain)
    numbered = (f"{stem[: LONGEST_NAME - 20]}~{number}{suffix}" for number in count(place))
    return next(candidate for candidate in numbered if candidate not in taken)


def tell_refused(job: Job) -> None:
    """What the control plane did not take may tell of a failure, as what was left out: it is no
    pass. Where others arrived, an exit code that tells of one is enough."""
    refused = job.report.refused_results()
    if not refused:
        return
    name, why = min(refused.items())
    detail = (
        f"{len(refused)} of the results files were refused and may tell of failures: {name}: {why}"
    )
    if job.exit_code and job.report.results_arrived:
        job.say(detail)
    else:
        job.tell("agent_error", detail)


def _some(job: Job, names: list[str], most: int, what: str) -> list[str]:
    if len(names) > most:
        job.say(f"Of {len(names)} {what} the first {most} are sent")
    return names[:most]


def _copy(job: Job, folder: str, name: str, most: int, place: int) -> Path | None:
    """Says why there is none. `place` is the file's own in the list."""
    copies = job.settings.work / folder
    try:
        copies.mkdir(exist_ok=True)
        copy = copies / f"{place}{Path(name).suffix[:10]}"
        copy_plain(job.out.folder, f"{folder}/{name}", copy, most=most)
    except OSError as error:
        job.say(f"{name} is not sent: {error.strerror or error}")
        return None
    return copy
