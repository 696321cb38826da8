"""python -m tests.bench: how fast the parts are that must be fast, beside bare ones.

Runs on a throw-away PostgreSQL. The exit code is 0 unless a target is missed.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import django
from rich.console import Console

from tests.postgres import PostgresError, throwaway_postgres

# What is over is over when it is committed: the server notes when that was.
COMMIT_TIMES = {"track_commit_timestamp": "on"}
NAMES = ("create", "place", "poll", "assign", "job", "accept", "reconcile", "burst")


def main() -> int:
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="switchyard-bench-") as folder,
            throwaway_postgres(COMMIT_TIMES) as url,
        ):
            return _run(url, Path(folder), options, console)
    except PostgresError as error:
        console.print(str(error), style="red")
        return 1
    except KeyboardInterrupt:
        console.print("stopped before the end")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--json", type=_file, metavar="FILE", help="write the results there, too")
    parser.add_argument(
        "--only", type=_names, default=NAMES, metavar="NAME,…", help=", ".join(NAMES)
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, fewer rows: a minute")
    return parser


def _file(text: str) -> Path:
    path = Path(text)
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"no such folder: {path.parent}")
    return path


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(unknown)}; choose from {', '.join(NAMES)}"
        )
    return names


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(url: str, folder: Path, options: argparse.Namespace, console: Console) -> int:
    from tests.bench.site import QUIET

    os.environ.update(QUIET, DATABASE_URL=url)
    django.setup()
    from tests.bench.progress import Progress
    from tests.bench.results import document, table
    from tests.bench.scale import FULL, QUICK
    from tests.bench.suite import Suite

    started, busy = time.monotonic(), os.getloadavg()[0]
    suite = Suite(url, folder, QUICK if options.quick else FULL, Progress(console))
    results = suite.measure(options.only)
    seconds = round(time.monotonic() - started)
    found = document(results, quick=options.quick, seconds=seconds, load_before=round(busy, 1))
    console.print(table(results))
    console.print(f"{found['machine']}; {seconds} s")
    if busy > (os.cpu_count() or 1) / 2:
        console.print(f"The machine was busy before (load {busy:.1f}): times are too long.")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if found["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
