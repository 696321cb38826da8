"""Files that another process waits for: they appear whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def put(path: Path, text: str) -> None:
    """Raises OSError."""
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, "utf-8", "surrogateescape")
    os.replace(draft, path)
