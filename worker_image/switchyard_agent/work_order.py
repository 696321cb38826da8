"""What is to be done: one shard of a suite at one commit, however it reached the agent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from .errors import BadWorkOrder

DEFAULT_TIMEOUT_SECONDS = 3600
DEFAULT_LOG_CAP_BYTES = 100 * 1024 * 1024
SMALLEST_LOG_CAP_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where the repository keeps its settings, relative to its root."""

    dockerfile: str = ".saturnci/Dockerfile"
    compose: str = ".saturnci/docker-compose.yml"
    pre_script: str = ".saturnci/pre.sh"
    service: str = "saturn_test_app"


@dataclass(frozen=True, kw_only=True)
class WorkOrder:
    """`env_vars` are secrets; a None among them unsets the variable. `item_id` is the id under
    which the item was handed out, `task_id` the one that every report carries."""

    item_id: str
    task_id: str
    test_suite_run_id: str
    project_name: str
    branch_name: str
    repository: str
    installation_id: str
    clone_url: str
    commit: str
    order_index: int = 1
    order_count: int = 1
    seed: int = 0
    env_vars: Mapping[str, str | None] = field(default_factory=dict)
    paths: Paths = Paths()
    command: str | None = None
    test_files: tuple[str, ...] | None = None
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    log_cap_bytes: int = DEFAULT_LOG_CAP_BYTES

    def is_item(self, item: Mapping[str, Any]) -> bool:
        """Whether an item that is handed out later is still this one."""
        same_id = str(item.get("id") or "") == self.item_id
        return same_id and self.task_id in (str(item.get("task_id")), str(item.get("run_id")))

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> WorkOrder:
        """Reads an item of `worker_assignments`: the legacy keys, and our own ones below
        `switchyard`, each of which may be absent. Raises BadWorkOrder naming the key."""
        ours = _mapping(item, "switchyard")
        repository = _text(item, "github_repo_full_name")
        task_id = _text(item, "task_id") or _text(item, "run_id")
        if not task_id:
            raise BadWorkOrder("task_id is missing: the item must name its Task")
        return cls(
            item_id=_text(item, "id"),
            task_id=task_id,
            test_suite_run_id=_text(item, "test_suite_run_id"),
            project_name=_text(item, "project_name"),
            branch_name=_text(item, "branch_name"),
            repository=repository,
            installation_id=_text(item, "github_installation_id"),
            clone_url=_clone_url(ours, repository),
            commit=commit_id(_text(item, "commit_hash"), "commit_hash"),
            order_index=_number(item, "run_order_index", 1, least=1),
            order_count=_number(item, "number_of_concurrent_runs", 1, least=1),
            seed=_number(item, "rspec_seed", 0),
            env_vars=_env_vars(item),
            **_ours(ours),
        )

    @classmethod
    def from_claim(cls, answer: Mapping[str, Any], env_vars: Mapping[str, str]) -> WorkOrder:
        """Reads the answer to a claim; the Task's variables come from elsewhere. Raises
        BadWorkOrder naming the key."""
        repository = _text(answer, "repository")
        return cls(
            item_id=_text(answer, "assignment_id"),
            task_id=_text(answer, "task_id"),
            test_suite_run_id=_text(answer, "suite_run_id"),
            project_name=_text(answer, "project_name"),
            branch_name=_text(answer, "branch"),
            repository=repository,
            installation_id=_text(answer, "github_installation_id"),
            clone_url=_clone_url(answer, repository),
            commit=commit_id(_text(answer, "commit"), "commit"),
            order_index=_number(answer, "order_index", 1, least=1),
            order_count=_number(answer, "order_count", 1, least=1),
            seed=_number(answer, "seed", 0),
            env_vars=env_vars,
            **_ours(answer),
        )


def _ours(values: Mapping[str, Any]) -> dict[str, Any]:
    """What both ways of handing out name alike."""
    return {
        "paths": _paths(values),
        "command": _text(values, "command") or None,
        "test_files": _test_files(values),
        "timeout_seconds": _number(values, "timeout_seconds", DEFAULT_TIMEOUT_SECONDS, least=1),
        "log_cap_bytes": _number(
            values, "log_cap_bytes", DEFAULT_LOG_CAP_BYTES, least=SMALLEST_LOG_CAP_BYTES
        ),
    }


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    if value is None:
        return ""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise BadWorkOrder(f"{key} is {value!r}: it must be a string")
    if "\0" in str(value):
        raise BadWorkOrder(f"{key} has a NUL character: take it out")
    return str(value)


def _number(values: Mapping[str, Any], key: str, default: int, least: int | None = None) -> int:
    text = _text(values, key) or str(default)
    if not re.fullmatch(r"-?[0-9]+", text):
        raise BadWorkOrder(f"{key} is {text!r}: it must be a whole number")
    if least is not None and int(text) < least:
        raise BadWorkOrder(f"{key} is {text}: it must be at least {least}")
    return int(text)


def _mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = values.get(key) or {}
    if not isinstance(value, dict):
        raise BadWorkOrder(f"{key} is {value!r}: it must be an object")
    return value


def commit_id(commit: str, key: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{4,64}", commit):
        raise BadWorkOrder(f"{key} is {commit!r}: it must be a hexadecimal commit id")
    return commit.lower()


def _clone_url(ours: Mapping[str, Any], repository: str) -> str:
    url = _text(ours, "clone_url")
    if not url and repository:
        url = f"https://github.com/{repository}.git"
    return safe_url(url, "switchyard.clone_url")


def safe_url(url: str, key: str) -> str:
    """git runs a program for `ext::…` and takes `-…` for an option."""
    if not re.match(r"(https?|file|git|ssh)://|/|[\w.-]+@[\w.-]+:", url):
        raise BadWorkOrder(f"{key} is {url!r}: it must be a URL that git can clone")
    return url


def _env_vars(item: Mapping[str, Any]) -> dict[str, str | None]:
    values = _mapping(item, "env_vars")
    for name in values:
        if not name or "=" in name or "\0" in name:
            raise BadWorkOrder(f"env_vars has the name {name!r}: it must be a variable's name")
    return {name: None if values[name] is None else _text(values, name) for name in values}


def _paths(ours: Mapping[str, Any]) -> Paths:
    given = _mapping(ours, "paths")
    texts = {key: _text(given, key) for key in Paths.__dataclass_fields__}
    for key, path in texts.items():
        if path.startswith("/") or ".." in PurePosixPath(path).parts:
            raise BadWorkOrder(f"switchyard.paths.{key} is {path!r}: it must stay in the checkout")
    return Paths(**{key: text for key, text in texts.items() if text})


def _test_files(ours: Mapping[str, Any]) -> tuple[str, ...] | None:
    files = ours.get("test_files")
    if files is None:
        return None
    if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
        raise BadWorkOrder(f"switchyard.test_files is {files!r}: it must be a list of strings")
    return tuple(files)
