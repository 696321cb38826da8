"""Puts busybox and the wrapper where the containers of other images find them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from ..errors import BadSettings
from .settings import folder

DONE, FAILED, BAD_SETTINGS = 0, 1, 2
# Beside the package, as the image has it. Links are not followed: each may be one.
BESIDE = Path(__file__).absolute().parent.parent.parent


def main() -> int:
    os.umask(0o022)
    try:
        place = folder(os.environ, "SWITCHYARD_BIN_DIR")
        install(busybox(), place / "busybox", 0o755)
        install(BESIDE / "wrapper", place / "wrapper", 0o644)
    except BadSettings as problem:
        print(problem, file=sys.stderr)
        return BAD_SETTINGS
    except OSError as error:
        print(f"The tools cannot be put into place: {error}", file=sys.stderr)
        return FAILED
    return DONE


def busybox() -> Path:
    """Raises FileNotFoundError."""
    beside = BESIDE / "busybox"
    found = str(beside) if beside.is_file() else shutil.which("busybox")
    if not found:
        raise FileNotFoundError("this image has no busybox")
    return Path(found)


def install(source: Path, place: Path, mode: int) -> None:
    """Whole or not at all, also where an earlier one is in use."""
    draft = place.with_name(f".{place.name}")
    shutil.copyfile(source, draft)
    draft.chmod(mode)
    os.replace(draft, place)
