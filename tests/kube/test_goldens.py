"""Whole manifests for compose files of the kinds that real projects have.

Each folder of `cases` has a compose.yml, perhaps a Dockerfile and a task.yml (paths, variables and
other values of the request), and what comes of them: manifests.yml and notes.txt, or problems.txt.
With SWITCHYARD_WRITE_GOLDENS=1 these are written instead of compared: read the diff.
"""

import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from kube.manifest.job import manifests
from kube.manifest.request import ImageSource, Login
from kube.manifest.values import TaskRefused
from kube.planner.plan import PlanRefused
from kube.planner.planning import plan
from tests.kube.making import DOCKERFILE, make_request, make_settings, make_sources
from tests.kube.structure import faults

CASES = Path(__file__).parent / "cases"
WRITE = "SWITCHYARD_WRITE_GOLDENS"
JOB_UID = "0d15ea5e-0000-4000-8000-000000000000"
PATHS = {"compose": "compose_path", "dockerfile": "dockerfile_path", "service": "service"}
RESULTS = ("manifests.yml", "notes.txt", "problems.txt")


class Dumper(yaml.SafeDumper):
    """Readable: no aliases, and texts of several lines as they are."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, _text)


def outcome(case: Path) -> dict[str, str]:
    """The files that come of a case."""
    compose = (case / "compose.yml").read_text()
    given = case / "Dockerfile"
    dockerfile = given.read_text() if given.exists() else DOCKERFILE
    task = yaml.safe_load((case / "task.yml").read_text()) if (case / "task.yml").exists() else {}
    paths = {PATHS[name]: path for name, path in task.pop("paths", {}).items()}
    for login in ("push_login", "pull_login"):
        if login in task:
            username, password = task[login]
            task[login] = Login(username=username, password=password)
    if "source" in task:
        built_by = UUID(task["source"]["built_by"])
        task["source"] = ImageSource(**(task["source"] | {"built_by": built_by}))
    found = plan(make_sources(compose, dockerfile, **paths))
    if isinstance(found, PlanRefused):
        return {"problems.txt": "".join(f"{problem}\n" for problem in found.problems)}
    try:
        made = manifests(found, make_request(**task), make_settings())
    except TaskRefused as refusal:
        return {"problems.txt": "".join(f"{problem}\n" for problem in refusal.problems)}
    assert faults(made) == []
    documents = [made.job, *made.dependents(JOB_UID)]
    dumped = yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, width=100)
    return {"manifests.yml": dumped, "notes.txt": "".join(f"{note}\n" for note in found.notes)}


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_the_whole_outcome_is_what_it_was(case: Path) -> None:
    found = outcome(case)
    if os.environ.get(WRITE):
        assert not os.environ.get("CI"), f"{WRITE} is for people: CI compares"
        for name in RESULTS:
            (case / name).unlink(missing_ok=True)
        for name, text in found.items():
            (case / name).write_text(text)
    kept = {name: (case / name).read_text() for name in RESULTS if (case / name).exists()}
    assert found == kept


def test_there_are_cases_of_both_kinds() -> None:
    planned = [case for case in CASES.iterdir() if (case / "manifests.yml").exists()]
    refused = [case for case in CASES.iterdir() if (case / "problems.txt").exists()]
    assert len(planned) >= 20 and len(refused) >= 10
