"""Programs that some tests need and not every machine has."""

from __future__ import annotations

import os
import shutil

import pytest


def needed(program: str, package: str) -> str:
    """Its path. Skips the test where it is missing; on CI that is a failure."""
    found = shutil.which(program)
    if found:
        return found
    missing = f"{program} is not installed (apt-get install {package})"
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(missing)
    pytest.skip(missing)
