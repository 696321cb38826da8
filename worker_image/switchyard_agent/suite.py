"""What to run as the tests of a shard, and with which files and variables."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import shard
from .work_order import WorkOrder

EXECUTABLE = ".saturnci/test"
RESULTS = "tmp/rspec.json"
# Linux refuses a single variable of more than 128 KiB.
LARGEST_VARIABLE = 100 * 1024


@dataclass(frozen=True, kw_only=True)
class Suite:
    """`files` is None where the repository has no RSpec files, and empty where this shard got
    none of them: then nothing is run. `argv` is None where there is nothing that could be run."""

    files: tuple[str, ...] | None
    argv: tuple[str, ...] | None
    uses_rspec: bool


def choose(order: WorkOrder, root: Path, env: Mapping[str, str]) -> Suite:
    """A command that was given wins, then the repository's executable `.saturnci/test`, then
    RSpec."""
    files = _files(order, root)
    if order.command is not None:
        return Suite(files=files, argv=("/bin/sh", "-c", order.command), uses_rspec=False)
    if (root / EXECUTABLE).is_file() and os.access(root / EXECUTABLE, os.X_OK):
        return Suite(files=files, argv=(f"./{EXECUTABLE}",), uses_rspec=False)
    rspec = rspec_argv(root, env)
    if not (rspec and files):
        return Suite(files=files, argv=None, uses_rspec=False)
    return Suite(files=files, argv=(*rspec, *_rspec_options(order), *files), uses_rspec=True)


def _files(order: WorkOrder, root: Path) -> tuple[str, ...] | None:
    if order.test_files is not None:
        return order.test_files
    every_file = shard.spec_files(root)
    return _shard(order, every_file) if every_file else None


def _shard(order: WorkOrder, every_file: list[str]) -> tuple[str, ...]:
    index, count = order.order_index, order.order_count
    return tuple(shard.shard(every_file, seed=order.seed, order_index=index, order_count=count))


def rspec_argv(root: Path, env: Mapping[str, str]) -> tuple[str, ...] | None:
    """How RSpec is started here, None where it is not installed."""
    path = env.get("PATH")
    if (root / "Gemfile").is_file() and shutil.which("bundle", path=path):
        return ("bundle", "exec", "rspec")
    return ("rspec",) if shutil.which("rspec", path=path) else None


def _rspec_options(order: WorkOrder) -> tuple[str, ...]:
    json_output = ("--format", "json", "--out", RESULTS)
    return ("--format", "documentation", *json_output, "--order", f"rand:{order.seed}")


def variables(order: WorkOrder) -> dict[str, str]:
    """The names that the legacy agent has in its environment."""
    return {
        "TASK_ID": order.task_id,
        "RUN_ID": order.task_id,
        "TEST_SUITE_RUN_ID": order.test_suite_run_id,
        "RUN_ORDER_INDEX": str(order.order_index),
        "NUMBER_OF_CONCURRENT_RUNS": str(order.order_count),
        "PROJECT_NAME": order.project_name,
        "BRANCH_NAME": order.branch_name,
        "COMMIT_HASH": order.commit,
        "RSPEC_SEED": str(order.seed),
        "GITHUB_REPO_FULL_NAME": order.repository,
    }


def test_variables(results: Path, files: tuple[str, ...] | None, list_file: Path) -> dict[str, str]:
    """What tells a command its files and where to leave its results. The list is always in a file
    too, since a long one does not fit into a variable."""
    named = {"SWITCHYARD_RESULTS": str(results)}
    if files is None:
        return named
    text = "\n".join(files)
    list_file.write_text(text + "\n", "utf-8", "surrogateescape")
    named["SWITCHYARD_TEST_FILES_FILE"] = str(list_file)
    if len(os.fsencode(text)) <= LARGEST_VARIABLE:
        named["SWITCHYARD_TEST_FILES"] = text
    return named
