from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.worker_image.conftest import AGENT
from worker_image.switchyard_agent import VERSION

WAYS = [["-m", "switchyard_agent"], [str(AGENT)]]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(AGENT.parent)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("way", WAYS)
def test_it_starts_as_a_module_and_by_its_path(way: list[str]) -> None:
    done = run(*way)
    assert done.returncode == 2
    assert done.stderr == "SATURNCI_API_HOST is not set: give it in the agent's environment\n"


@pytest.mark.parametrize("way", WAYS)
def test_it_says_its_version(way: list[str]) -> None:
    done = run(*way, "--version")
    assert (done.returncode, done.stdout) == (0, f"switchyard-agent {VERSION}\n")


def test_it_takes_no_version_of_a_mode() -> None:
    assert run(*WAYS[0], "--version", "job").returncode == 2
