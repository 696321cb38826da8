"""The house is in order, and each checker that says so can see a fault."""

import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from tests.architecture.conftest import Plant
from tests.architecture.house_style import (
    CHECKS,
    INDEX_HOSTS,
    addresses_of_one_machine,
    digitalocean_outside_its_adapter,
    files_too_long,
    forbidden_names,
    functions_too_long,
    unwanted_imports,
)
from tests.architecture.source_tree import SourceTree

Check = Callable[[SourceTree], list[str]]
WORK = "/".join(("", "work", "main"))
ADAPTER = {"droplets/cloud.py": "import digitalocean"}


@pytest.mark.parametrize("check", CHECKS)
def test_the_house_is_in_order(check: Check) -> None:
    assert check(SourceTree.read()) == []


@pytest.mark.parametrize(
    ("check", "files"),
    [
        (files_too_long, {"dispatch/a.py": "x = 1\n" * 351}),
        (files_too_long, {"templates/a.html": "<br>\n" * 351}),
        (functions_too_long, {"a.py": "def f():\n" + "    x = 1\n" * 60}),
        (functions_too_long, {"a.py": "class A:\n  async def f(self):\n" + "    x = 1\n" * 60}),
        (forbidden_names, {"dispatch/utils.py": ""}),
        (forbidden_names, {"dispatch/models/tasks.py": ""}),
        (unwanted_imports, {"tests/a.py": "from unittest import mock"}),
        (unwanted_imports, {"tests/a.py": "from unittest.mock import Mock"}),
        (unwanted_imports, {"tests/a.py": "import mock"}),
        (unwanted_imports, {"dispatch/a.py": "from django.db.models.signals import post_save"}),
        (unwanted_imports, {"dispatch/a.py": "from rest_framework.viewsets import ModelViewSet"}),
        (digitalocean_outside_its_adapter, {**ADAPTER, "droplets/a.py": "import digitalocean"}),
        (digitalocean_outside_its_adapter, {"dispatch/a.py": "from digitalocean import Manager"}),
        (digitalocean_outside_its_adapter, {"droplets/a.py": "import requests"}),
        (addresses_of_one_machine, {"docs/a.md": f"cd {WORK}"}),
        (addresses_of_one_machine, {"a.toml": f'path = "{WORK}"'}),
        (addresses_of_one_machine, {"requirements/base.txt": "--find-links wheels"}),
        (addresses_of_one_machine, {"a.toml": f"https://{INDEX_HOSTS[0]}/simple"}),
    ],
)
def test_a_fault_is_found(plant: Plant, check: Check, files: dict[str, str]) -> None:
    assert len(check(plant(files))) == 1


@pytest.mark.parametrize(
    ("check", "files"),
    [
        (files_too_long, {"dispatch/a.py": "x = 1\n" * 350, "docs/a.md": "words\n" * 999}),
        (files_too_long, {"dispatch/migrations/0001_initial.py": "x = 1\n" * 999}),
        (functions_too_long, {"a.py": "def f():\n" + "    x = 1\n" * 59}),
        (unwanted_imports, {"a.py": "import unittest\nfrom django.db import models"}),
        (digitalocean_outside_its_adapter, {**ADAPTER, "tests/a.py": "import digitalocean"}),
        (digitalocean_outside_its_adapter, {**ADAPTER, "a.py": "import sandbox.digitalocean"}),
        (digitalocean_outside_its_adapter, {"dispatch/a.py": "import json"}),
        (addresses_of_one_machine, {"a.md": f"see .{WORK} or example.com{WORK} or $HOME{WORK}"}),
    ],
)
def test_good_order_is_left_alone(plant: Plant, check: Check, files: dict[str, str]) -> None:
    assert check(plant(files)) == []


def test_new_files_count_and_ignored_ones_do_not(plant: Plant, tmp_path: Path) -> None:
    plant({".gitignore": "*.log\n", "new.py": "", "deleted.py": "", "run.log": ""})
    for command in (["init", "-q"], ["add", "deleted.py"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    (tmp_path / "deleted.py").unlink()

    names = {str(path) for path in SourceTree.read(tmp_path).files}
    assert names == {".gitignore", "new.py"}


def test_a_copy_without_git_is_walked(plant: Plant) -> None:
    tree = plant({"dispatch/a.py": "", ".venv/lib/b.py": "", "dispatch/__pycache__/a.pyc": ""})
    assert tree.files == (PurePosixPath("dispatch/a.py"),)
