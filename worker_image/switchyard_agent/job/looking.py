"""What there is to run tests with, seen from where they run.

The test files of a shard are the same however they are found: in the checkout where the tests run
in it, else by the Ruby of the image, else from a list of all of them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path, PurePosixPath

from .. import ruby_selection, shard, suite
from ..plain_files import read_plain
from ..suite import Seen
from ..work_order import WorkOrder
from . import scripts
from .image import ImageConfig
from .job import Job
from .scripts import Surroundings

LARGEST_LIST = 32 * 1024 * 1024


def look(job: Job, surroundings: Surroundings, found: ImageConfig) -> Seen:
    """By a step of its own, without the entrypoint, which may take its time."""
    order, checkout = job.order, spec_root(job, found)
    asks = order.test_files is None and checkout is None
    step = scripts.look(order.order_index, order.order_count, order.seed, files=asks)
    job.run(step)
    words = set(job.last_lines(50).splitlines())
    return Seen(
        files=_files(job, checkout),
        executable="executable" in words,
        rspec=_rspec(words, entered=bool(surroundings.entrypoint)),
    )


def spec_root(job: Job, found: ImageConfig) -> Path | None:
    """The folder of the checkout that the tests run in, None where they run elsewhere."""
    folder = job.plan.working_dir or found.working_dir
    inside = job.plan.visible(str(PurePosixPath(folder) / "spec"))
    if inside is None or PurePosixPath(inside).name != "spec":
        return None
    root = job.settings.checkout / PurePosixPath(inside).parent
    return root if (root / "spec").is_dir() else None


def _files(job: Job, checkout: Path | None) -> tuple[str, ...] | None:
    """This shard's; None where the repository has no RSpec files."""
    if job.order.test_files is not None:
        return job.order.test_files
    if checkout is not None:
        return suite.select(job.order, shard.spec_files(checkout))
    return answered(job.order, job.out.folder)


def answered(order: WorkOrder, out: Path) -> tuple[str, ...] | None:
    """This shard's files, from what the step has left in `out`."""
    selected = _answer(out, scripts.SELECTED)
    answer = ruby_selection.parse(selected) if selected is not None else None
    if answer is not None:
        count, files = answer
        return tuple(files) if count else None
    return suite.select(order, shard.in_order(_names(_answer(out, scripts.EVERY_FILE))))


def _answer(out: Path, name: str) -> bytes | None:
    with suppress(OSError):
        return read_plain(out, name, most=LARGEST_LIST)
    return None


def _names(answer: bytes | None) -> list[str]:
    return [os.fsdecode(name) for name in (answer or b"").split(b"\0") if name]


def _rspec(words: set[str], *, entered: bool) -> tuple[str, ...] | None:
    """How RSpec is started. What an entrypoint adds to the path was not seen: it is trusted to."""
    if "gemfile" in words and ("bundle" in words or entered):
        return ("bundle", "exec", "rspec")
    return ("rspec",) if "rspec" in words or entered else None
