"""Started as `python3 -m switchyard_agent [MODE]` or `python3 /path/to/switchyard_agent [MODE]`."""

import importlib
import sys
from pathlib import Path

MODES = {"poll": "poll_mode", "job": "job.mode", "clone": "job.clone", "tools": "job.tools"}
BAD_SETTINGS = 2

# Started by its path, the folder itself stands first on the path and its modules would have no
# package: its parent takes that place.
if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

if __name__ == "__main__":
    mode = sys.argv[1] if len(sys.argv) > 1 else "poll"
    package = __package__ or "switchyard_agent"
    if sys.argv[1:] == ["--version"]:
        print(f"switchyard-agent {importlib.import_module(package).VERSION}")
        sys.exit()
    if mode not in MODES or len(sys.argv) > 2:
        print(f"{' '.join(sys.argv[1:])}: use one of {', '.join(MODES)}", file=sys.stderr)
        sys.exit(BAD_SETTINGS)
    sys.exit(importlib.import_module(f"{package}.{MODES[mode]}").main())
