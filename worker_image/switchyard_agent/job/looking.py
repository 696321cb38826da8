"""What there is to run tests with, seen from where they run.

The test files of a shard are chosen there too: what of the repository is to be seen, an image and
its mounts decide. By the Ruby of the image, or here from a list of all of them: it is the same.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from .. import ruby_selection, shard, suite
from ..plain_files import read_plain
from ..suite import Seen
from ..work_order import WorkOrder
from . import scripts
from .job import Job
from .scripts import Surroundings

LARGEST_LIST = 32 * 1024 * 1024


def look(job: Job, surroundings: Surroundings) -> Seen:
    """By a step of its own, without the entrypoint, which may take its time."""
    order = job.order
    asks = order.test_files is None
    job.run(scripts.look(order.order_index, order.order_count, order.seed, files=asks))
    words = set(job.last_lines(50).splitlines())
    return Seen(
        files=answered(order, job.out.folder) if asks else order.test_files,
        executable="executable" in words,
        rspec=_rspec(words, entered=bool(surroundings.entrypoint)),
    )


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
