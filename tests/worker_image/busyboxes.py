"""What can stand at SWITCHYARD_BUSYBOX: the real one, or a script that finds this machine's tools.

The second one is what the sandbox has; its shell is another one too, so both have to do.
"""

import os
import shutil
from pathlib import Path

import pytest

KINDS = ("busybox", "machine")


def make_busybox(kind: str, folder: Path) -> Path:
    """Skips the test where this machine has no busybox; on CI that is a failure."""
    if kind == "busybox":
        return _real()
    script = folder / "busybox"
    script.write_text('#!/bin/sh\nexec "$@"\n')
    script.chmod(0o755)
    return script


def _real() -> Path:
    found = shutil.which("busybox")
    if found:
        return Path(found)
    if os.environ.get("CI"):
        pytest.fail("busybox is not installed (apt-get install busybox-static)")
    pytest.skip("busybox is not installed (apt-get install busybox-static)")
