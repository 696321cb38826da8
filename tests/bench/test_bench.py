"""The benchmarks themselves work: a run with few of everything, on a PostgreSQL of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.stack.stack import ROOT
from tests.postgres import postgres_bin

SECONDS = 240
TINY = """
import sys
from tests.bench import __main__, scale
scale.QUICK = scale.Scale(
    create_rounds=2, create_requests=8, place_rounds=2, place_count=30, queued=200, finished=200,
    poll_rounds=2, poll_requests=40, assignments=20, job_rounds=2, job_count=2,
    reconcile_rounds=2, live=4, accepted=20, burst=24,
)
sys.exit(__main__.main())
"""
MEASURED = {
    "create.plain",
    "create.with_env_vars",
    "place.raw",
    "place.long_queue",
    "place.long_history",
    "poll.cpu",
    "poll.writes",
    "assign.p99",
    "job.create",
    "accept.p50",
    "accept.p99",
    "reconcile.cpu",
    "burst.wrong",
    "burst.kept",
    "burst.reached",
}
# What may not happen at all.
NEVER = {"burst.wrong"}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TINY, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.skipif(postgres_bin() is None, reason="measures PostgreSQL alone")
def test_a_tiny_run_measures_everything(tmp_path: Path) -> None:
    done = bench("--quick", "--json", str(tmp_path / "found.json"))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, Any] = json.loads((tmp_path / "found.json").read_text())
    results = {result["name"]: result for result in found["results"]}
    assert results.keys() == MEASURED
    assert all((result["value"] > 0) != (name in NEVER) for name, result in results.items())
    assert results["poll.writes"]["value"] == 1, "every Worker was heard, and written once"
    assert done.returncode == (0 if found["met"] else 1)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--only", "create,plaice"), "unknown: plaice"),
        (("--json", "nowhere/found.json"), "no such folder: nowhere"),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments: tuple[str, ...], complaint: str) -> None:
    done = bench(*arguments)
    assert (done.returncode, complaint in done.stderr) == (2, True), done.stderr
