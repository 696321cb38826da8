"""What the instructions of a Dockerfile that run nothing come to: variables, folder, shell."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from .dockerfile import Instruction, Plan
from .errors import BuildFailed
from .substitution import words

DEFAULT_SHELL = ("/bin/sh", "-c")
WHOLE_CONTEXT = (".", "./")


@dataclass(frozen=True, kw_only=True)
class BuildInputs:
    """`env` is what the machine gives to every step; `build_args` count where an ARG asks for
    them."""

    env: Mapping[str, str]
    build_args: Mapping[str, str]


class ImageConfig:
    """`workdir` is a path in the image, None before the first WORKDIR. `copied_to` is where the
    Dockerfile puts the checkout, None while it has not said so."""

    def __init__(self, plan: Plan, inputs: BuildInputs) -> None:
        self._inputs = inputs
        self._global_args: dict[str, str] = {}
        self._args: dict[str, str] = {}
        self.env: dict[str, str] = {}
        self.shell: tuple[str, ...] = DEFAULT_SHELL
        self.workdir: str | None = None
        self.copied_to: str | None = None
        for step in plan.global_args:
            self.apply(step)
        self._global_args = self._args

    def apply(self, step: Instruction) -> None:
        """Raises BuildFailed naming the line."""
        actions = {
            "FROM": self._from,
            "ARG": self._arg,
            "ENV": self._env,
            "WORKDIR": self._workdir,
            "SHELL": self._shell,
            "COPY": self._copy,
            "ADD": self._copy,
        }
        if action := actions.get(step.keyword):
            action(step)

    def variables(self) -> dict[str, str]:
        return {**self._inputs.env, **self._args, **self.env}

    def _from(self, step: Instruction) -> None:
        self._args = {}

    def _arg(self, step: Instruction) -> None:
        for word in words(step.text, self.variables()):
            name, given, default = word.partition("=")
            if name in self._inputs.build_args:
                self._args[name] = self._inputs.build_args[name]
            elif given:
                self._args[name] = default
            elif name in self._global_args:
                self._args[name] = self._global_args[name]

    def _env(self, step: Instruction) -> None:
        values = words(step.text, self.variables())
        if values and "=" not in values[0]:
            self.env[values[0]] = " ".join(values[1:])  # the old form: ENV NAME the rest
            return
        for value in values:
            name, given, text = value.partition("=")
            if not (name and given):
                raise BuildFailed(f"line {step.line} of the Dockerfile: {step} is not NAME=VALUE")
            self.env[name] = text

    def _workdir(self, step: Instruction) -> None:
        self.workdir = self._place(" ".join(words(step.text, self.variables())))

    def _shell(self, step: Instruction) -> None:
        shell = string_list(step.text)
        if not shell:
            raise BuildFailed(f"line {step.line} of the Dockerfile: SHELL needs a JSON list")
        self.shell = tuple(shell)

    def _copy(self, step: Instruction) -> None:
        places = string_list(step.text) or words(step.text, self.variables())
        from_elsewhere = any(flag.startswith("--from=") for flag in step.flags)
        whole = len(places) > 1 and any(place in WHOLE_CONTEXT for place in places[:-1])
        if self.copied_to is None and whole and not from_elsewhere:
            self.copied_to = self._place(places[-1])

    def _place(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.workdir or "/", path))


def string_list(text: str) -> list[str]:
    """The JSON form of an instruction; empty where it is not in that form."""
    if not text.startswith("["):
        return []
    try:
        values = json.loads(text)
    except ValueError:
        return []
    return values if all(isinstance(value, str) for value in values) else []
