"""Started as `python3 -m switchyard_agent` or as `python3 /path/to/switchyard_agent`."""

import importlib
import sys
from pathlib import Path

# Started by its path, the folder itself stands first on the path and its modules would have no
# package: its parent takes that place.
if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

if __name__ == "__main__":
    package = __package__ or "switchyard_agent"
    sys.exit(importlib.import_module(f"{package}.poll_mode").main())
