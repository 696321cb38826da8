"""What an agent has to remember should its container be started again in the same pod."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..placing import put


class Journal:
    """A file in the agent's own folder. Moments are kept on the monotonic clock, which is the
    machine's; after a restart of the machine they count from anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._facts = self._read()
        self.resumed = bool(self._facts)

    def since_claim(self) -> float:
        """Seconds since this was asked for the first time."""
        now = time.monotonic()
        began = self._facts.get("claimed")
        if not isinstance(began, float) or began > now:
            began = now
            self._keep("claimed", began)
        return now - began

    def reach(self, phase: str) -> bool:
        """Keeps the time of the first time; whether it was."""
        phases = self.phases
        if phase in phases:
            return False
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._keep("phases", {**phases, phase: now})
        return True

    @property
    def phases(self) -> dict[str, str]:
        return dict(self._facts.get("phases", {}))

    @property
    def finish(self) -> Mapping[str, Any] | None:
        """The final report, once it is made: it must not become another one."""
        return self._facts.get("finish")

    def keep_finish(self, report: Mapping[str, Any]) -> None:
        self._keep("finish", report)

    @property
    def refused(self) -> dict[str, str]:
        """The results that the control plane did not take, by name, and what it said."""
        return dict(self._facts.get("refused", {}))

    def refuse(self, name: str, why: str) -> None:
        try:
            self._keep("refused", {**self.refused, name: why})
        except OSError as error:  # this process knows it all the same
            print(f"{self._path.name} is out of date: {error}", file=sys.stderr, flush=True)

    def _keep(self, name: str, value: Any) -> None:
        """From any thread, but each name from one alone."""
        with self._lock:
            self._facts[name] = value
            put(self._path, json.dumps(self._facts))

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
