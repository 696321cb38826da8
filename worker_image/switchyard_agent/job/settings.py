"""The settings of the programs in a pod, read once from the environment. Every path comes from
there, since a kubelet may have put the folders anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadSettings
from ..settings import base_url, required, seconds

FALSE = ("", "0", "false", "no")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """By which the control plane knows the agent, and for how long it may be tried."""

    control_plane_url: str
    assignment_id: str
    token: str
    deadline_seconds: float
    http_timeout_seconds: float


@dataclass(frozen=True, kw_only=True)
class Registry:
    """`config` is a Docker config.json with the credentials, None where none are needed."""

    image: str
    config: Path | None
    insecure: bool


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """`image` is None where the image need not be looked at; `builds` says whether a builder is
    in the pod."""

    caller: Caller
    instance: str
    secrets: Mapping[str, str]
    registry: Registry | None
    builds: bool
    plan: Path | None
    ctl: Path
    out: Path
    steps: Path
    checkout: Path
    work: Path
    grace_seconds: float
    report_seconds: float
    heartbeat_seconds: float
    log_seconds: float
    look_seconds: float


@dataclass(frozen=True, kw_only=True)
class CloneSettings:
    caller: Caller
    clone_url: str
    commit: str
    ctl: Path
    steps: Path
    checkout: Path
    look_seconds: float


def read_job_settings(environ: Mapping[str, str]) -> JobSettings:
    """Raises BadSettings naming the variable and what it must be."""
    return JobSettings(
        caller=_caller(environ),
        instance=required(environ, "SWITCHYARD_INSTANCE"),
        secrets=_secrets(environ),
        registry=_registry(environ),
        builds=flag(environ, "SWITCHYARD_BUILD"),
        plan=optional_path(environ, "SWITCHYARD_PLAN_FILE"),
        ctl=folder(environ, "SWITCHYARD_CTL_DIR"),
        out=folder(environ, "SWITCHYARD_OUT_DIR"),
        steps=folder(environ, "SWITCHYARD_STEPS_DIR"),
        checkout=folder(environ, "SWITCHYARD_CHECKOUT_DIR"),
        work=folder(environ, "SWITCHYARD_WORK_DIR"),
        grace_seconds=seconds(environ, "SWITCHYARD_GRACE_SECONDS", 30),
        report_seconds=seconds(environ, "SWITCHYARD_REPORT_SECONDS", 600),
        heartbeat_seconds=seconds(environ, "SWITCHYARD_HEARTBEAT_SECONDS", 10),
        log_seconds=seconds(environ, "SWITCHYARD_LOG_SECONDS", 1),
        look_seconds=seconds(environ, "SWITCHYARD_LOOK_SECONDS", 0.1),
    )


def read_clone_settings(environ: Mapping[str, str]) -> CloneSettings:
    """Raises BadSettings naming the variable and what it must be."""
    return CloneSettings(
        caller=_caller(environ),
        clone_url=required(environ, "SWITCHYARD_CLONE_URL"),
        commit=required(environ, "SWITCHYARD_COMMIT"),
        ctl=folder(environ, "SWITCHYARD_CTL_DIR"),
        steps=folder(environ, "SWITCHYARD_STEPS_DIR"),
        checkout=folder(environ, "SWITCHYARD_CHECKOUT_DIR"),
        look_seconds=seconds(environ, "SWITCHYARD_LOOK_SECONDS", 0.1),
    )


def _caller(environ: Mapping[str, str]) -> Caller:
    return Caller(
        control_plane_url=base_url(environ, "SWITCHYARD_CONTROL_PLANE_URL"),
        assignment_id=_assignment_id(environ),
        token=_text(environ, "SWITCHYARD_TOKEN_FILE").strip(),
        deadline_seconds=seconds(environ, "SWITCHYARD_DEADLINE_SECONDS", 4 * 3600),
        http_timeout_seconds=seconds(environ, "SWITCHYARD_HTTP_TIMEOUT_SECONDS", 60),
    )


def _assignment_id(environ: Mapping[str, str]) -> str:
    text = required(environ, "SWITCHYARD_ASSIGNMENT_ID")
    if not re.fullmatch(r"[0-9A-Za-z-]{1,100}", text):
        raise BadSettings(f"SWITCHYARD_ASSIGNMENT_ID is {text!r}: give the Assignment's UUID")
    return text


def folder(environ: Mapping[str, str], name: str) -> Path:
    path = Path(required(environ, name))
    if not path.is_dir():
        raise BadSettings(f"{name} is {str(path)!r}: give a folder that is there")
    return path.absolute()


def flag(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").strip().lower() not in FALSE


def optional_path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name, "").strip()
    return Path(text).absolute() if text else None


def _text(environ: Mapping[str, str], name: str) -> str:
    """Of the file that the variable names."""
    path = Path(required(environ, name))
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise BadSettings(f"{name}: {str(path)!r} cannot be read: {error}") from None


def _secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The Task's variables; none where no file is named."""
    if not environ.get("SWITCHYARD_ENV_FILE", "").strip():
        return {}
    try:
        found = json.loads(_text(environ, "SWITCHYARD_ENV_FILE") or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise BadSettings("SWITCHYARD_ENV_FILE: the file must hold a JSON object of strings")
    return found


def _registry(environ: Mapping[str, str]) -> Registry | None:
    image = environ.get("SWITCHYARD_IMAGE", "").strip()
    if not image:
        return None
    return Registry(
        image=image,
        config=optional_path(environ, "SWITCHYARD_REGISTRY_CONFIG"),
        insecure=flag(environ, "SWITCHYARD_REGISTRY_INSECURE"),
    )
