"""What the compose planner decided for the container of the tests (plan.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
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
class Plan:
    """`entrypoint` is compose's; None: the image's own."""

    service: str = "the tests"
    entrypoint: tuple[str, ...] | None = None
    environment_names: frozenset[str] = frozenset()
    env_files: tuple[EnvFile, ...] = ()


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
        environment_names=frozenset(map(str, found.get("environment_names", ()))),
        env_files=tuple(EnvFile(**item) for item in found.get("env_files", ())),
    )
