"""Small repositories for Tasks on a real cluster: what Rails sends of them, and what is cloned."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.samples import commit_all

MAIN = "saturn_test_app"
PLACE = ".saturnci"
COMPOSE = f"""\
services:
  {MAIN}:
    build:
      context: ..
      dockerfile: {PLACE}/Dockerfile
"""


@dataclass(frozen=True, kw_only=True)
class Project:
    """What a repository holds. `test` is `.saturnci/test`, which Tasks run unless they say
    otherwise; `files` are more, by their path."""

    name: str
    dockerfile: str
    test: str = "#!/bin/sh\nexit 0\n"
    compose: str = COMPOSE
    files: Mapping[str, str] = field(default_factory=dict)

    def texts(self) -> dict[str, str]:
        return {
            f"{PLACE}/Dockerfile": self.dockerfile,
            f"{PLACE}/docker-compose.yml": self.compose,
            f"{PLACE}/pre.sh": "#!/bin/sh\nexit 0\n",
            f"{PLACE}/test": self.test,
            **self.files,
        }


@dataclass(frozen=True, kw_only=True)
class Repository:
    """One commit of a project, as a git host gives it."""

    project: Project
    clone_url: str
    commit: str


def make_repository(root: Path, base_url: str, project: Project) -> Repository:
    """One that is there already gets another commit."""
    folder = root / project.name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.name != ".git":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for path, text in project.texts().items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if text.startswith("#!") else 0o644)
    commit = commit_all(folder, f"Be {project.name}")
    return Repository(project=project, clone_url=f"{base_url}/{project.name}", commit=commit)


def junit(passed: int = 1, failed: int = 0) -> str:
    """Shell that leaves results: with builtins alone, so any shell can run it."""
    right = "".join(f'<testcase name="right {number}"/>' for number in range(passed))
    wrong = "".join(
        f'<testcase name="wrong {number}"><failure message="no"/></testcase>'
        for number in range(failed)
    )
    suite = f'<testsuite tests="{passed + failed}" failures="{failed}">{right}{wrong}</testsuite>'
    return f"""echo '{suite}' >"${{SWITCHYARD_RESULTS%/*}}/junit.xml"\n"""


def compose_with(main: str = "", services: str = "") -> str:
    """The compose file with more lines for the main service, and more services, each with the
    indentation that it has there."""
    return COMPOSE + main + services
