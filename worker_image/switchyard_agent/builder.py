"""Builds without Docker: the RUN lines of a Dockerfile in a copy of the checkout.

The copy stands for what the Dockerfile would COPY, so FROM, COPY and ADD do nothing, nor does USER.
A WORKDIR at or below the place to which the Dockerfile copies the whole checkout (where it never
does: its first WORKDIR) is a folder of the copy; any other one is an empty folder outside of it.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .dockerfile import Instruction, Plan, read_plan
from .errors import BuildFailed
from .image_config import BuildInputs, ImageConfig, string_list
from .processes import LastLines, Runner, Sink
from .workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Image:
    """Where the tests run, and the environment that the build gave them."""

    root: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What runs the steps, and where their output goes."""

    runner: Runner
    sink: Sink


def build(space: Workspace, dockerfile: str, *, inputs: BuildInputs, tools: Tools) -> Image:
    """Without a Dockerfile there is nothing to build and the checkout itself is used. Raises
    BuildFailed naming the line that failed."""
    path = space.checkout / dockerfile
    if not path.is_file():
        return Image(root=space.checkout)
    plan = read_plan(path.read_text("utf-8", "replace"))
    shutil.copytree(space.checkout, space.image, symlinks=True)
    home = checkout_place(plan, inputs)
    config = ImageConfig(plan, inputs)
    for step in plan.steps:
        config.apply(step)
        if step.keyword == "RUN":
            _run(step, config, space, home, tools)
    return Image(root=space.image, env=config.env)


def checkout_place(plan: Plan, inputs: BuildInputs) -> str:
    """The path in the image that the copy of the checkout stands for."""
    config = ImageConfig(plan, inputs)
    first_workdir = None
    for step in plan.steps:
        config.apply(step)
        first_workdir = first_workdir or config.workdir
    return config.copied_to or first_workdir or "/"


def _folder(space: Workspace, config: ImageConfig, home: str) -> Path:
    if config.workdir is None:
        return space.image
    relative = posixpath.relpath(config.workdir, home)
    inside = not (relative == ".." or relative.startswith("../"))
    folder = space.image / relative if inside else space.outside / config.workdir.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(step: Instruction, config: ImageConfig, space: Workspace, home: str, tools: Tools) -> None:
    shown = f"line {step.line} of the Dockerfile: {textwrap.shorten(str(step), 300)}"
    tools.sink(f"{shown}\n".encode())
    output = LastLines(tools.sink)
    folder = _folder(space, config, home)
    argv = _argv(step, config.shell, space.root / f"run-{step.line}")
    code = tools.runner.run(argv, cwd=folder, env=config.variables(), sink=output)
    if code:
        raise BuildFailed(f"{shown}: exit code {code}: {output.text()}")


def _argv(step: Instruction, shell: tuple[str, ...], file: Path) -> list[str]:
    """As Docker runs it, but that the plain shell stops at the first command that fails. `file` is
    for a script that names its interpreter."""
    if argv := string_list(step.text):
        return argv
    script = _script(step)
    if script.startswith("#!"):
        file.write_text(script)
        file.chmod(0o700)
        return [str(file)]
    plain = posixpath.basename(shell[0]) == "sh" and shell[-1] == "-c"
    return [*shell[:-1], "-e", "-c", script] if plain else [*shell, script]


def _script(step: Instruction) -> str:
    """A RUN of nothing but a here-document is that script; any other one the shell reads itself."""
    if re.fullmatch(r"<<-?(['\"]?)\w+\1", step.text):
        lines = step.here_documents[0].splitlines(keepends=True)
        return "".join(lines[:-1])
    return "\n".join((step.text, *step.here_documents))
