"""RSpec JSON: where it is found, how large it may be, and what the agent writes itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

LARGEST_UPLOAD = 50 * 1024 * 1024


def write_empty(path: Path, *, seed: int, error: str = "") -> None:
    """What RSpec writes when no example ran: because there was none, or because of `error`."""
    errors = 1 if error else 0
    line = "0 examples, 0 failures"
    document = {
        "version": "switchyard",
        "seed": seed,
        **({"messages": [error]} if error else {}),
        "examples": [],
        "summary": {
            "duration": 0.0,
            "example_count": 0,
            "failure_count": 0,
            "pending_count": 0,
            "errors_outside_of_examples_count": errors,
        },
        "summary_line": f"{line}, 1 error occurred outside of examples" if error else line,
    }
    path.write_text(json.dumps(document))


def can_be_sent(path: Path, say: Callable[[str], None]) -> bool:
    """Says why not. A file that the tests left unreadable must not hold up the rest."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
    except OSError as error:
        say(f"{path.name} is not sent: {error.strerror}")
        return False
    if size > LARGEST_UPLOAD:
        say(f"{path.name} is not sent: its {size} bytes are over the limit of {LARGEST_UPLOAD}")
        return False
    return True


def screenshots(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("tmp/capybara/*.png") if path.is_file())
