"""The agent's settings, read once from the environment (the table is in worker_image/README.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .errors import BadSettings


@dataclass(frozen=True, kw_only=True)
class Settings:
    api_host: str
    worker_id: str
    worker_access_token: str
    poll_seconds: float
    grace_seconds: float
    report_seconds: float
    http_timeout_seconds: float
    work_dir: Path | None
    keep: bool

    @property
    def first_backoff_seconds(self) -> float:
        return self.poll_seconds / 5

    @property
    def longest_backoff_seconds(self) -> float:
        return self.poll_seconds * 6


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Raises BadSettings naming the variable and what it must be."""
    work_dir = environ.get("SWITCHYARD_WORK_DIR", "")
    return Settings(
        api_host=base_url(environ, "SATURNCI_API_HOST"),
        worker_id=required(environ, "WORKER_ID"),
        worker_access_token=required(environ, "WORKER_ACCESS_TOKEN"),
        poll_seconds=seconds(environ, "SWITCHYARD_POLL_SECONDS", 5),
        grace_seconds=seconds(environ, "SWITCHYARD_GRACE_SECONDS", 5),
        report_seconds=seconds(environ, "SWITCHYARD_REPORT_SECONDS", 600),
        http_timeout_seconds=seconds(environ, "SWITCHYARD_HTTP_TIMEOUT_SECONDS", 60),
        work_dir=Path(work_dir).absolute() if work_dir else None,
        keep=environ.get("SWITCHYARD_KEEP", "").lower() not in ("", "0", "false", "no"),
    )


def required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise BadSettings(f"{name} is not set: give it in the agent's environment")
    return value


def base_url(environ: Mapping[str, str], name: str) -> str:
    """Without a slash at its end."""
    url = required(environ, name)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadSettings(f"{name} is {url!r}: give it as http(s)://host[:port]")
    return url.rstrip("/")


def seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "").strip()
    try:
        value = float(text) if text else float(default)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise BadSettings(f"{name} is {text!r}: give it as a number of seconds above 0")
    return value
