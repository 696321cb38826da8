"""Small real git repositories to run Tasks on, each with the verdict that it demands.

Every commit is made with fixed names, dates and settings, so a sample has the same commit id on
every machine where it starts from the same image. They run without Ruby: `.saturnci/test` reads the
`expect(…)` lines of its spec files, evaluates them and writes RSpec JSON.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

FILES = Path(__file__).parent / "files"
TEST_COMMAND = ".saturnci/test"
GIT_SECONDS = 60

BASE = "python:3.11-slim"
DOCKERFILE = f"""\
FROM {BASE}
WORKDIR /app
COPY . .
RUN mkdir -p tmp && ls spec > tmp/built
"""
BROKEN_DOCKERFILE = f"""\
FROM {BASE}
WORKDIR /app
COPY . .
RUN echo "Installing what the tests need" && \\
    cat requirements-that-nobody-wrote.txt
"""
COMPOSE_FILE = """\
services:
  saturn_test_app:
    build:
      context: ..
      dockerfile: .saturnci/Dockerfile
"""
DATABASE = """\
  database:
    image: postgres:17-alpine
    environment:
      POSTGRES_HOST_AUTH_METHOD: trust
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U postgres"]
      interval: 2s
      retries: 10
"""
# For where no image is to be had but the base.
DATABASE_OF_THE_BASE = f"""\
  database:
    image: {BASE}
    command: ["sh", "-c", "trap 'exit 0' TERM; python3 -m http.server 5432 & wait"]
    healthcheck:
      test:
        - CMD-SHELL
        - python3 -c 'import socket; socket.create_connection(("127.0.0.1", 5432), 1)'
      interval: 2s
      retries: 10
"""
WITH_SERVICE = f"""\
{COMPOSE_FILE}\
    depends_on:
      database: {{condition: service_healthy}}
    environment:
      DATABASE_HOST: database
{DATABASE}\
"""
# The service runs the image that is built, so what it does is the same wherever there are services.
WITH_BROKEN_SERVICE = f"""\
{COMPOSE_FILE}\
    image: sample
    depends_on:
      ledger: {{condition: service_healthy}}
  ledger:
    image: sample
    command: ["sh", "-c", "echo 'The ledger has no books' >&2; exit 3"]
    healthcheck:
      test: ["CMD", "test", "-f", "/tmp/ready"]
      interval: 2s
"""
WITH_RIGHTS = f"""\
{COMPOSE_FILE}\
    privileged: true
"""
PRE_SCRIPT = """\
#!/bin/sh
set -e
test -f tmp/built
echo "Ready for the tests"
"""
BROKEN_PRE_SCRIPT = """\
#!/bin/sh
echo "The database does not answer" >&2
exit 3
"""


@dataclass(frozen=True, kw_only=True)
class Host:
    """Who gives the samples to those who run them. `url` is that of a git host which has them;
    without one they are cloned from their folders. `base` is the image that they start from: where
    it is not the usual one, no other image can be pulled."""

    url: str = ""
    base: str = BASE

    def clone_url(self, folder: Path) -> str:
        return f"{self.url}/{folder.name}" if self.url else folder.resolve().as_uri()

    def adapted(self, text: str) -> str:
        """A Dockerfile, or a compose file."""
        if self.base == BASE:
            return text
        return text.replace(DATABASE, DATABASE_OF_THE_BASE).replace(BASE, self.base)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """`verdict` is how a Task that runs the whole suite at `commit` ends (passed or failed) and
    `category` the outcome behind it; of several shards those with one of `failing_files` fail.
    `backends` are those on which that holds: on others it is not eligible, or what makes it fail is
    not there (the droplets' agent starts no services). `command` is what the repository itself
    brings to run its tests, `compose_text` and `dockerfile_text` are what Rails sends of it. It
    lies in `folder`."""

    name: str
    folder: Path
    clone_url: str
    commit: str
    verdict: str
    category: str
    spec_file_count: int
    failing_files: tuple[str, ...]
    compose_text: str
    dockerfile_text: str
    backends: tuple[str, ...]
    command: str = TEST_COMMAND


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a sample is made of. `seconds` is how long its whole suite takes, spread over its spec
    files, where SAMPLE_SECONDS in a Task's variables does not say otherwise."""

    verdict: str = "passed"
    category: str = "passed"
    compose: str = COMPOSE_FILE
    dockerfile: str = DOCKERFILE
    pre_script: str = PRE_SCRIPT
    wrong: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 1.0
    backends: tuple[str, ...] = ("droplets", "kubernetes")


HERE = Host()
RECIPES = {
    "passing": Recipe(),
    "failing": Recipe(verdict="failed", category="failed", wrong={"baskets/discount": 2}),
    "unbuildable": Recipe(verdict="failed", category="build_failed", dockerfile=BROKEN_DOCKERFILE),
    "unprepared": Recipe(
        verdict="failed", category="pre_script_failed", pre_script=BROKEN_PRE_SCRIPT
    ),
    "slow": Recipe(seconds=30.0),
    "failing_twice": Recipe(
        verdict="failed", category="failed", wrong={"checkout": 0, "customers/address": 1}
    ),
    "service": Recipe(compose=WITH_SERVICE),
    "unserved": Recipe(
        verdict="failed",
        category="service_failed",
        compose=WITH_BROKEN_SERVICE,
        backends=("kubernetes",),
    ),
    "privileged": Recipe(compose=WITH_RIGHTS, backends=("droplets",)),
}

# Spec file → what its examples add up; an example is right where the sum is.
SPECS = {
    "baskets/basket": [(1, 1), (2, 3), (10, 5)],
    "baskets/discount": [(7, 8), (0, 4), (9, 9)],
    "baskets/tax": [(19, 81), (6, 6)],
    "checkout": [(3, 4), (4, 3)],
    "customers/address": [(5, 5), (8, 1)],
    "customers/customer": [(2, 2), (1, 6), (0, 0)],
}


def create_samples(root: Path, host: Host = HERE) -> dict[str, Sample]:
    """Makes every sample below `root`, by name. One that is there already is made anew."""
    return {name: _create(root / name, recipe, host) for name, recipe in RECIPES.items()}


def _create(folder: Path, made_of: Recipe, host: Host) -> Sample:
    name, compose = folder.name, host.adapted(made_of.compose)
    recipe = replace(made_of, compose=compose, dockerfile=host.adapted(made_of.dockerfile))
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for path, text in _texts(recipe).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if text.startswith("#!") else 0o644)
    commit = commit_all(folder, f"Add the {name} sample")
    return Sample(
        name=name,
        folder=folder,
        clone_url=host.clone_url(folder),
        commit=commit,
        verdict=recipe.verdict,
        category=recipe.category,
        spec_file_count=len(SPECS),
        failing_files=tuple(f"./spec/{name}_spec.rb" for name in recipe.wrong),
        compose_text=recipe.compose,
        dockerfile_text=recipe.dockerfile,
        backends=recipe.backends,
    )


def _texts(recipe: Recipe) -> dict[str, str]:
    texts = {
        "README.md": "A sample repository. Its tests are run by `.saturnci/test`.\n",
        TEST_COMMAND: (FILES / "run_specs.py").read_text(),
        ".saturnci/seconds": f"{recipe.seconds}\n",
        ".saturnci/Dockerfile": recipe.dockerfile,
        ".saturnci/docker-compose.yml": recipe.compose,
        ".saturnci/pre.sh": recipe.pre_script,
    }
    specs = {
        f"spec/{name}_spec.rb": _spec(name, sums, recipe.wrong.get(name))
        for name, sums in SPECS.items()
    }
    return {**texts, **specs}


def _spec(name: str, sums: list[tuple[int, int]], wrong: int | None) -> str:
    """`wrong` is the index of the example whose sum is one too large."""
    examples = [
        f'  it "adds {left} and {right}" do\n'
        f"    expect({left} + {right}).to eq({left + right + (index == wrong)})\n"
        "  end\n"
        for index, (left, right) in enumerate(sums)
    ]
    title = name.rpartition("/")[2].capitalize()
    return f'RSpec.describe "{title}" do\n' + "\n".join(examples) + "end\n"


def commit_all(folder: Path, message: str) -> str:
    """The id of a commit of everything in a folder, which is a repository from then on."""
    _git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    _git(folder, "add", "--all", "--force")
    _git(folder, "commit", "--quiet", "--no-verify", "--allow-empty", f"--message={message}")
    return _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str) -> str:
    """Without the settings of the machine or the user, which could change what is committed."""
    author = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (
            ("NAME", "Sample"),
            ("EMAIL", "sample@example.com"),
            ("DATE", "2025-01-01T00:00:00+00:00"),
        )
    }
    kept = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    env = {**kept, **author, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", "-c", "core.autocrlf=false", "-c", "core.fileMode=true", *arguments],
        cwd=folder,
        env=env,
        check=True,
        capture_output=True,
        text=True,
        timeout=GIT_SECONDS,
    )
    return done.stdout.strip()
