"""The logs of a pod as the control plane knows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..redaction import Redactor
from ..spool import Spool


@dataclass(frozen=True, kw_only=True)
class JobLogs:
    """`system` takes what the agent says and what clone and pre script print. All of them clean
    what they get with `redactor`."""

    system: Spool
    build: Spool
    tests: Spool
    redactor: Redactor

    def streams(self) -> dict[str, Spool]:
        return {"system": self.system, "build": self.build, "test": self.tests}


def open_logs(folder: Path, *, cap_bytes: int, secrets: Iterable[str]) -> JobLogs:
    """Those of an earlier process in this pod go on."""
    redactor = Redactor(secrets)
    system, build, tests = (
        Spool(folder / f"{name}.log", cap_bytes=cap_bytes, redactor=redactor, keep=True)
        for name in ("system", "build", "tests")
    )
    return JobLogs(system=system, build=build, tests=tests, redactor=redactor)
