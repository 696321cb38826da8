"""What the steps tell the outside, whichever protocol carries it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .redaction import Redactor
from .spool import Spool
from .work_order import WorkOrder
from .workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Logs:
    """`system` takes what the agent says and what clone, build and pre script print; `tests` what
    the tests print. Both clean what they get with `redactor`."""

    system: Spool
    tests: Spool
    redactor: Redactor


def open_logs(order: WorkOrder, space: Workspace) -> Logs:
    redactor = Redactor(value for value in order.env_vars.values() if value)
    spools = (
        Spool(space.log(name), cap_bytes=order.log_cap_bytes, redactor=redactor)
        for name in ("system", "tests")
    )
    system, tests = spools
    return Logs(system=system, tests=tests, redactor=redactor)


class Report(Protocol):
    """None of these waits for the control plane but `git_token` and `results`, and none fails:
    what cannot be delivered is tried again for as long as there is time."""

    def event(self, kind: str, detail: str = "") -> None: ...

    def git_token(self) -> str:
        """A token that may read the repository, or nothing."""

    def example_count(self, count: int) -> None:
        """How many examples the whole suite has, over all shards."""

    def results(self, path: Path) -> None:
        """RSpec JSON. The log of the tests is complete and delivered before it is."""

    def screenshot(self, path: Path) -> None: ...
