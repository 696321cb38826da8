"""The one folder below which everything of a run is written, and what its processes see of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# All that the customer's processes get of the agent's own environment: no credentials.
PASSED_ON = frozenset(
    ("PATH", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL", "TERM")
    + ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
)


@dataclass(frozen=True, kw_only=True)
class Workspace:
    root: Path

    @property
    def checkout(self) -> Path:
        return self.root / "checkout"

    @property
    def image(self) -> Path:
        """The copy of the checkout in which a Dockerfile's steps have run."""
        return self.root / "image"

    @property
    def outside(self) -> Path:
        """Stands for the parts of an image's file system that are not the checkout."""
        return self.root / "outside"

    def log(self, name: str) -> Path:
        return self.root / f"{name}.log"

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        kept = {
            name: value
            for name, value in environ.items()
            if name in PASSED_ON or name.startswith("LC_")
        }
        home, tmp = self.root / "home", self.root / "tmp"
        for folder in (home, tmp):
            folder.mkdir(exist_ok=True)
        return {"PATH": os.defpath, **kept, "HOME": str(home), "TMPDIR": str(tmp)}


@contextlib.contextmanager
def make_workspace(parent: Path | None, *, keep: bool) -> Iterator[Workspace]:
    """A folder of its own, below `parent` or among the temporary files; removed at the end."""
    if parent:
        parent.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="switchyard-", dir=parent))
    try:
        yield Workspace(root=root)
    finally:
        if not keep:
            shutil.rmtree(root, onerror=_make_writable_and_retry)


def _make_writable_and_retry(remove: Callable[[str], Any], path: str, error: Any) -> None:
    """Tools leave read-only folders behind; what cannot be removed even so is left."""
    with contextlib.suppress(OSError):
        os.chmod(os.path.dirname(path), stat.S_IRWXU)
        os.chmod(path, stat.S_IRWXU)
        remove(path)
