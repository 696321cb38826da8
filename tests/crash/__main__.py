"""python -m tests.crash: the long crash test, on a throw-away PostgreSQL, or on SQLite.

Where it breaks, it tells the story of the Tasks that went wrong; `--state FOLDER` keeps the logs.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tests.counts import Counts
from tests.crash.faults import FAULTS
from tests.postgres import PostgresServer, postgres_bin, postgres_server


def main() -> int:
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}: --seed {seed} breaks the same things again", flush=True)
    started = time.monotonic()
    counts = Counts(failed=1)
    with (
        _folder(options.state) as folder,
        _database(options.database, folder) as (url, server),
    ):
        try:
            _run(folder, url, server, seed, options)
            counts = Counts(passed=1)
        except AssertionError as error:
            print(f"BROKEN with seed {seed}: {error}", flush=True)
    print(f"{time.monotonic() - started:.0f} s with seed {seed}")
    print(f"crash: {counts}", flush=True)
    return 1 if counts.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make test-crash ARGS=…", description=__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--duration", type=float, default=240, help="seconds of breaking things")
    parser.add_argument("--seed", type=int, help="of what is broken, and when")
    parser.add_argument(
        "--faults", default=",".join(FAULTS), help=f"a choice of {', '.join(FAULTS)}"
    )
    kept = "an empty folder for what the run leaves behind (default: a temporary one)"
    parser.add_argument("--state", type=Path, metavar="FOLDER", help=kept)
    default = "postgresql" if postgres_bin() else "sqlite"
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default=default)
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="switchyard-crash-") as folder:
            yield Path(folder)
        return
    kept.mkdir(parents=True, exist_ok=True)
    if any(kept.iterdir()):
        sys.exit(f"--state: {kept} is not empty")
    yield kept.absolute()


@contextlib.contextmanager
def _database(kind: str, folder: Path) -> Iterator[tuple[str, PostgresServer | None]]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'switchyard.sqlite3'}?synchronous=OFF", None
        return
    with postgres_server() as server:
        yield server.url, server


def _run(
    folder: Path,
    url: str,
    server: PostgresServer | None,
    seed: int,
    options: argparse.Namespace,
) -> None:
    os.environ["DATABASE_URL"] = url
    os.environ.setdefault("SWITCHYARD_SECRET_KEY", "only-for-tests")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
    import django

    django.setup()
    from tests.crash.checks import check
    from tests.crash.receiver import Receiver
    from tests.crash.run import Plan, Run
    from tests.crash.story import sum_up, tell

    unknown = set(options.faults.split(",")) - set(FAULTS)
    if unknown:
        sys.exit(f"--faults: unknown {', '.join(unknown)}; choose from {', '.join(FAULTS)}")
    plan = Plan(
        state=folder / "state",
        database_url=url,
        tasks=options.tasks,
        duration=options.duration,
        patience=600,
        seed=seed,
        faults=tuple(options.faults.split(",")),
        database=server,
    )
    with Receiver(seed) as receiver:
        run = Run(plan, receiver, log=lambda line: print(line, flush=True))
        try:
            check(run, run.execute(), receiver)
            print("\n".join((f"struck {dict(run.struck)}", *sum_up())), flush=True)
        except AssertionError:
            print("\n".join(tell(run.rails)), flush=True)
            raise
        finally:
            run.stop()


if __name__ == "__main__":
    sys.exit(main())
