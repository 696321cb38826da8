"""What the next process needs to know of a spool to go on with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from .placing import put


@dataclass(frozen=True, kw_only=True)
class Found:
    """`size` bytes can be read; `tail` went through the ring; `taken` counts the bytes of each
    file that was copied into the spool."""

    size: int = 0
    tail: int = 0
    head_is_full: bool = False
    closed: bool = False
    taken: Mapping[str, int] = field(default_factory=dict)


class SpoolState(Protocol):
    def read(self) -> Found: ...

    def write(self, found: Found) -> None: ...


class Unkept:
    def read(self) -> Found:
        return Found()

    def write(self, found: Found) -> None:
        pass


class Kept:
    """In a file that is always whole. A full disk costs lines after a restart, not the run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Found:
        try:
            return Found(**json.loads(self._path.read_text()))
        except (OSError, ValueError, TypeError):
            return Found()

    def write(self, found: Found) -> None:
        try:
            put(self._path, json.dumps(asdict(found)))
        except OSError as error:
            print(f"{self._path.name} is out of date: {error}", file=sys.stderr, flush=True)
