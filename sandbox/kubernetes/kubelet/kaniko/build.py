"""Builds an image by the RUN lines of its Dockerfile, and says what its configuration is."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker_image.switchyard_agent import builder
from worker_image.switchyard_agent.dockerfile import Instruction, Plan, parse, read_plan
from worker_image.switchyard_agent.errors import AgentError, BuildFailed
from worker_image.switchyard_agent.image_config import BuildInputs, ImageConfig, string_list
from worker_image.switchyard_agent.processes import Runner, Sink
from worker_image.switchyard_agent.stopping import Stop
from worker_image.switchyard_agent.substitution import words
from worker_image.switchyard_agent.workspace import Workspace

from . import context

_GRACE_SECONDS = 5.0
_WILDCARDS = re.compile(r"[*?\[]")


class BuildError(Exception):
    """`code` is what the executor exits with; the message follows "error building image: "."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to build: the context, its Dockerfile, the stage ("" is the last one)."""

    context: Path
    dockerfile: Path
    target: str
    build_args: Mapping[str, str]
    machine_path: str


@dataclass(frozen=True, kw_only=True)
class Built:
    """`tree` holds the files of the image below the `places` they are at."""

    tree: Path
    places: list[str]
    config: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Runner(Runner):
    """Says what it runs as the executor does, and remembers how it ended."""

    say: Sink
    codes: list[int] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], sink: Sink) -> int:
        self.say(f"INFO[0000] Running: [{' '.join(argv)}]\n".encode())
        code = super().run(argv, cwd=cwd, env=env, sink=sink)
        self.codes.append(code)
        return code


def build(order: Order, work: Path, sink: Sink) -> Built:
    """Raises BuildError."""
    text = _until_target(order.dockerfile.read_text("utf-8", "replace"), order.target)
    try:
        plan = read_plan(text)
    except BuildFailed as error:
        raise BuildError(f"parsing dockerfile: {error}") from error
    space = Workspace(root=work)
    context.copy(order.context, order.dockerfile, space.checkout)
    dockerfile = work / "Dockerfile"
    dockerfile.write_text(text)
    inputs = BuildInputs(env=_environment(order), build_args=order.build_args)
    home = builder.checkout_place(plan, inputs)
    _check_copies(plan, inputs, space.checkout, order.context)
    image = _run(space, dockerfile, inputs, sink)
    tree, places = _arrange(space, home)
    config = _config(plan, inputs, image.env)
    for key in ("Entrypoint", "Cmd"):
        config[key] = _found_here(config[key], tree, config["WorkingDir"])
    return Built(tree=tree, places=places, config=config)


def _environment(order: Order) -> dict[str, str]:
    """What a step gets, as it runs on this machine: its tools, and a home of its own."""
    home = os.environ.get("HOME", "/root")
    os.makedirs(home, exist_ok=True)
    fixed = {"PATH": order.machine_path, "HOME": home, "USER": "root"}
    return {**fixed, "TMPDIR": os.environ.get("TMPDIR", "/tmp")}


def _until_target(text: str, target: str) -> str:
    """The Dockerfile up to the end of the wanted stage. Raises BuildError."""
    try:
        stages = [step for step in parse(text) if step.keyword == "FROM"]
    except BuildFailed as error:
        raise BuildError(f"parsing dockerfile: {error}") from error
    if not target:
        return text
    for index, stage in enumerate(stages):
        if target in (str(index), _name(stage)):
            lines = text.splitlines(keepends=True)
            return "".join(lines[: stages[index + 1].line - 1] if stages[index + 1 :] else lines)
    raise BuildError(f"{target} is not a valid target build stage")


def _name(stage: Instruction) -> str:
    found = words(stage.text, {})
    return found[2] if len(found) == 3 and found[1].upper() == "AS" else ""


def _check_copies(plan: Plan, inputs: BuildInputs, checkout: Path, shown: Path) -> None:
    """What a COPY or ADD names must be in the context; it is there already otherwise."""
    config = ImageConfig(plan, inputs)
    for step in plan.steps:
        config.apply(step)
        if step.keyword not in ("COPY", "ADD") or _brings_its_own(step):
            continue
        for source in (string_list(step.text) or words(step.text, config.variables()))[:-1]:
            local = not (_WILDCARDS.search(source) or "://" in source)
            if local and not os.path.lexists(checkout / source.lstrip("/")):
                path = shown / source.lstrip("/")
                raise BuildError(
                    f"error building stage: failed to get files used from context: failed to get"
                    f" fileinfo for {path}: lstat {path}: no such file or directory"
                )


def _brings_its_own(step: Instruction) -> bool:
    return bool(step.here_documents) or any(flag.startswith("--from=") for flag in step.flags)


def _run(space: Workspace, dockerfile: Path, inputs: BuildInputs, sink: Sink) -> builder.Image:
    runner = _Runner(
        stop=Stop(_GRACE_SECONDS),
        ends_at=time.monotonic() + 86400,
        grace_seconds=_GRACE_SECONDS,
        say=sink,
    )
    tools = builder.Tools(runner=runner, sink=sink)
    try:
        return builder.build(space, str(dockerfile), inputs=inputs, tools=tools)
    except AgentError as error:
        code = next((code for code in runner.codes if code), 1)
        if isinstance(error, BuildFailed) and not any(runner.codes):
            raise BuildError(f"error building stage: {error}") from error
        raise BuildError(
            "error building stage: failed to execute command: waiting for process to exit:"
            f" exit status {code}",
            code,
        ) from error


def _arrange(space: Workspace, home: str) -> tuple[Path, list[str]]:
    """The tree of the image: the copy of the context at its place, other folders at theirs."""
    tree = space.root / "tree"
    outside = space.outside
    places = [home] if home != "/" else []
    if outside.exists():
        places += sorted(f"/{path.relative_to(outside)}" for path in _leaves(outside))
        os.rename(outside, tree)
    (tree / home.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    if home == "/":
        for entry in space.image.iterdir():
            if not (tree / entry.name).exists():
                os.rename(entry, tree / entry.name)
                # /bin and the like: commands mean the machine's own, which have no other copy.
                places += [] if Path("/", entry.name).exists() else [f"/{entry.name}"]
    else:
        os.rename(space.image, tree / home.lstrip("/"))
    return tree, places


def _leaves(folder: Path) -> list[Path]:
    """The folders that hold something, or nothing at all: not those that only lead to others."""
    found = []
    for path, folders, names in os.walk(folder):
        if names or not folders:
            found.append(Path(path))
            folders.clear()
    return found


def _found_here(words: list[str] | None, tree: Path, workdir: str) -> list[str] | None:
    """Whoever reads the configuration may write these words into a script, where nobody replaces
    a path by its place on this machine: what is in the image is named from its folder."""
    if words is None:
        return None
    return [
        os.path.join(".", os.path.relpath(word, workdir))
        if word.startswith("/") and os.path.lexists(tree / word.lstrip("/"))
        else word
        for word in words
    ]


def _config(plan: Plan, inputs: BuildInputs, env: Mapping[str, str]) -> dict[str, Any]:
    """As in an image's configuration: Entrypoint, Cmd, Env, WorkingDir, User, Labels."""
    config = ImageConfig(plan, inputs)
    found: dict[str, Any] = {"Entrypoint": None, "Cmd": None, "User": "", "Labels": {}}
    for step in plan.steps:
        config.apply(step)
        if step.keyword in ("ENTRYPOINT", "CMD"):
            argv = string_list(step.text) or [*config.shell, step.text]
            found["Entrypoint" if step.keyword == "ENTRYPOINT" else "Cmd"] = argv
            if step.keyword == "ENTRYPOINT":
                found["Cmd"] = None
        elif step.keyword == "USER":
            found["User"] = " ".join(words(step.text, config.variables()))
        elif step.keyword == "STOPSIGNAL":
            found["StopSignal"] = step.text.strip()
        elif step.keyword == "LABEL":
            pairs = (word.partition("=") for word in words(step.text, config.variables()))
            found["Labels"] |= {name: value for name, _, value in pairs}
    return {
        **found,
        "Env": [f"{name}={value}" for name, value in env.items()],
        "WorkingDir": config.workdir or "/",
    }
