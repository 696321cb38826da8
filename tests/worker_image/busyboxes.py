"""What can stand at SWITCHYARD_BUSYBOX: the real one, or a script that finds this machine's tools.

The second one is what the sandbox has; its shell is another one too, so both have to do.
"""

from pathlib import Path

from tests.worker_image.needed import needed

KINDS = ("busybox", "machine")


def make_busybox(kind: str, folder: Path) -> Path:
    """Skips the test where this machine has no busybox; on CI that is a failure."""
    if kind == "busybox":
        return Path(needed("busybox", "busybox-static"))
    script = folder / "busybox"
    script.write_text('#!/bin/sh\nexec "$@"\n')
    script.chmod(0o755)
    return script
