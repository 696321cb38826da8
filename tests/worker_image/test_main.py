from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.worker_image.conftest import AGENT


@pytest.mark.parametrize("arguments", [["-m", "switchyard_agent"], [str(AGENT)]])
def test_it_starts_as_a_module_and_by_its_path(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(AGENT.parent)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "SATURNCI_API_HOST is not set: give it in the agent's environment\n"
