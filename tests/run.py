"""`python -m tests.run [pytest arguments]`: the whole suite in three parts.

`sqlite` and `postgresql` are what touches our database, on one and on the other; `sandbox` is
everything else, once: the stand-ins, the agent, what is pure (NO_DATABASE of conftest.py).
Where PostgreSQL is missing, its part is skipped with a notice; on CI (CI is set) that fails.
Each part ends with a line `sqlite: 12 passed, 0 failed, 1 skipped`. The exit code is 0 only if
every part passed; a part in which the arguments select nothing has passed, but one must have some.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tests.counts import Counts
from tests.postgres import postgres_bin, throwaway_postgres

ROOT = Path(__file__).resolve().parent.parent
# Fixtures stop the servers that they started; a pytest which does not come to an end is killed.
STOP_SECONDS = 60.0
# A file stays on one worker, so that what it shares (a server, a sample repository) is made once.
# They are taken in the order of conftest.py, the slow ones first.
PARALLEL = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
SLOWEST = ["--durations=12", "--durations-min=5"]
# Of pytest: it ran, and no test was selected.
NOTHING_SELECTED = 5


def main(arguments: Sequence[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    try:
        codes = [run(arguments) for run in (run_on_sqlite, run_on_postgresql, run_the_rest)]
    except (KeyboardInterrupt, Terminated):
        print("\nThe tests were stopped before their end.", flush=True)
        return 130
    if set(codes) == {NOTHING_SELECTED}:
        return NOTHING_SELECTED
    return next((code for code in codes if code not in (0, NOTHING_SELECTED)), 0)


class Terminated(Exception):
    """We were asked to end by a signal that pytest may not have received."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(signal.Signals(number).name)


def run_on_sqlite(arguments: Sequence[str]) -> int:
    return run_part("sqlite", "database", None, arguments)


def run_on_postgresql(arguments: Sequence[str]) -> int:
    if postgres_bin() is not None:
        with throwaway_postgres() as url:
            return run_part("postgresql", "database", url, arguments)
    remedy = "PostgreSQL was not found (apt-get install postgresql)"
    if on_ci():
        print(f"\n{remedy}, and CI must not go without it.")
        report("postgresql", Counts(failed=1))
        return 1
    print(f"\n{'!' * 78}\n!! {remedy}:\n!! the tests did NOT run on it.\n{'!' * 78}", flush=True)
    return NOTHING_SELECTED


def run_the_rest(arguments: Sequence[str]) -> int:
    return run_part("sandbox", "sandbox", None, arguments)


def on_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def run_part(name: str, part: str, database_url: str | None, arguments: Sequence[str]) -> int:
    print(f"\n== {name} ==", flush=True)
    with tempfile.TemporaryDirectory(prefix="switchyard-tests-") as folder:
        counts_file = Path(folder) / "counts.json"
        environ = dict(os.environ)
        environ.pop("DATABASE_URL", None)
        if database_url is not None:
            environ["DATABASE_URL"] = database_url
        parallel = [] if "--pdb" in arguments else PARALLEL
        chosen = ["-p", "tests.counts", f"--counts-file={counts_file}", f"--part={part}"]
        code = run_pytest([*chosen, *SLOWEST, *parallel, *arguments], environ)
        try:
            counts = Counts.read(counts_file)
        except FileNotFoundError:
            counts = Counts(failed=1)
    report(name, counts)
    return code


def report(name: str, counts: Counts) -> None:
    print(f"{name}: {counts}", flush=True)


def run_pytest(arguments: Sequence[str], environ: dict[str, str]) -> int:
    process = subprocess.Popen([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=environ)
    try:
        return process.wait()
    except Terminated:
        process.terminate()
        raise
    finally:
        # After Ctrl-C too: the terminal sent it to pytest as well, and a second one would cut
        # its tidying up (conftest) short.
        wait_or_kill(process)


def wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
