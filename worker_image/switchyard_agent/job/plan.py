"""What the compose planner decided for the container of the tests (plan.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import BadWorkOrder

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class EnvFile:
    """`path` is in the checkout. `task_variables`: it stands for the Task's own variables."""

    path: str
    required: bool = True
    format: str = "compose"
    task_variables: bool = False


@dataclass(frozen=True, kw_only=True)
class Bind:
    """`source` in the checkout, "" for all of it, is seen at `target`."""

    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`entrypoint` and `working_dir` are compose's; None: the image's own."""

    service: str = "the tests"
    entrypoint: tuple[str, ...] | None = None
    working_dir: str | None = None
    environment_names: frozenset[str] = frozenset()
    env_files: tuple[EnvFile, ...] = ()
    binds: tuple[Bind, ...] = ()

    def visible(self, path: str) -> str | None:
        """Where in the checkout a path of the container is, None where it is not from there."""
        wanted = PurePosixPath(path)
        for bind in sorted(self.binds, key=lambda bind: len(bind.target), reverse=True):
            if wanted.is_relative_to(bind.target):
                return str(PurePosixPath(bind.source) / wanted.relative_to(bind.target))
        return None


def read_plan(path: Path | None) -> Plan:
    """Without a file nothing is planned. Raises BadWorkOrder naming the key."""
    if path is None:
        return Plan()
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadWorkOrder(f"plan.json cannot be read: {error}") from None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise BadWorkOrder(f"plan.json must be an object of version {VERSION}")
    try:
        return _plan(found)
    except (TypeError, KeyError, ValueError) as error:
        raise BadWorkOrder(f"plan.json is not as it should be: {error!r}") from None


def _plan(found: Mapping[str, Any]) -> Plan:
    entrypoint = found.get("entrypoint")
    return Plan(
        service=str(found.get("service", "")),
        entrypoint=None if entrypoint is None else tuple(map(str, entrypoint)),
        working_dir=found.get("working_dir") or None,
        environment_names=frozenset(map(str, found.get("environment_names", ()))),
        env_files=tuple(EnvFile(**item) for item in found.get("env_files", ())),
        binds=tuple(
            Bind(source=item["source"], target=item["target"]) for item in found.get("binds", ())
        ),
    )
