"""The database settings that a Rails project keeps for its runs here.

The legacy agent copies them over the project's usual ones, after the checkout and before the build,
so the image, the pre script and the tests see them without a word in the compose file.
"""

from __future__ import annotations

import shutil
from pathlib import Path

KEPT, USUAL = ".saturnci/database.yml", "config/database.yml"


def put_in_place(checkout: Path) -> str:
    """What there is to say of it; nothing where the repository keeps none. A copy that cannot be
    made is no failure, as with the legacy agent. A link may lead elsewhere in the checkout but not
    out of it: this agent sees more than the tests do."""
    root = checkout.resolve()
    kept, usual = (root / KEPT).resolve(), (root / USUAL).resolve()
    if not kept.is_file() or kept == usual:
        return ""
    if not (kept.is_relative_to(root) and usual.is_relative_to(root)):
        return f"{KEPT} is not copied to {USUAL}: a link leads out of the checkout"
    try:
        copy = shutil.copyfile if usual.exists() else shutil.copy
        copy(kept, usual)
    except OSError as error:
        return f"{KEPT} is not copied to {USUAL}: {error.strerror or error}"
    return f"Copied {KEPT} to {USUAL}"
