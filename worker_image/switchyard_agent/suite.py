"""What to run as the tests of a shard, and with which files and variables.

The decision is made from what is seen where the tests run, so it is the same wherever that is.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
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


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What there is where the tests run. `files` are this shard's, None where the repository has
    no RSpec files; `rspec` is how RSpec is started there, None where it is not installed."""

    files: tuple[str, ...] | None
    executable: bool
    rspec: tuple[str, ...] | None


def decide(order: WorkOrder, seen: Seen, results: str = RESULTS) -> Suite:
    """A command that was given wins, then the repository's executable `.saturnci/test`, then
    RSpec, which writes to `results`."""
    files = order.test_files if order.test_files is not None else seen.files
    if order.command is not None:
        return Suite(files=files, argv=("/bin/sh", "-c", order.command), uses_rspec=False)
    if seen.executable:
        return Suite(files=files, argv=(f"./{EXECUTABLE}",), uses_rspec=False)
    if not (seen.rspec and files):
        return Suite(files=files, argv=None, uses_rspec=False)
    argv = (*seen.rspec, *_rspec_options(order, results), *files)
    return Suite(files=files, argv=argv, uses_rspec=True)


def see(order: WorkOrder, root: Path, env: Mapping[str, str]) -> Seen:
    """Looks around in a folder of this machine."""
    return Seen(
        files=select(order, shard.spec_files(root)),
        executable=(root / EXECUTABLE).is_file() and os.access(root / EXECUTABLE, os.X_OK),
        rspec=rspec_argv(root, env),
    )


def select(order: WorkOrder, every_file: list[str]) -> tuple[str, ...] | None:
    """This shard's of all RSpec files; None where there are none at all."""
    if not every_file:
        return None
    index, count = order.order_index, order.order_count
    return tuple(shard.shard(every_file, seed=order.seed, order_index=index, order_count=count))


def rspec_argv(root: Path, env: Mapping[str, str]) -> tuple[str, ...] | None:
    """How RSpec is started here, None where it is not installed."""
    path = env.get("PATH")
    if (root / "Gemfile").is_file() and shutil.which("bundle", path=path):
        return ("bundle", "exec", "rspec")
    return ("rspec",) if shutil.which("rspec", path=path) else None


def _rspec_options(order: WorkOrder, results: str) -> tuple[str, ...]:
    json_output = ("--format", "json", "--out", results)
    return ("--format", "documentation", *json_output, "--order", f"rand:{order.seed}")


def counted_examples(output: str) -> int | None:
    """What the end of a dry run's output says."""
    found = re.findall(r"^(\d+) examples?,", output, re.MULTILINE)
    return int(found[-1]) if found else None


def why_nothing_runs(chosen: Suite) -> str:
    if chosen.files is None:
        return (
            f"Nothing to run: the Task has no command, the repository no executable"
            f" {EXECUTABLE} and no file that matches ./spec/**/*_spec.rb"
        )
    return f"RSpec is not installed here: install it, or give a command or {EXECUTABLE}"


def why_empty(order: WorkOrder) -> str:
    return f"shard {order.order_index} of {order.order_count} has no test files"


def listed(files: Iterable[str] | None) -> str:
    return ", ".join(files) if files else "the whole suite"


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
    list_file.write_text(list_text(files), "utf-8", "surrogateescape")
    named["SWITCHYARD_TEST_FILES_FILE"] = str(list_file)
    return {**named, **list_variable(files)}


def list_text(files: Iterable[str]) -> str:
    return "\n".join(files) + "\n"


def list_variable(files: Iterable[str]) -> dict[str, str]:
    """Nothing where the list is too long for a variable."""
    text = "\n".join(files)
    short = len(os.fsencode(text)) <= LARGEST_VARIABLE
    return {"SWITCHYARD_TEST_FILES": text} if short else {}
