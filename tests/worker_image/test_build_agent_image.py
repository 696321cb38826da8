"""ops/build-agent-image: what it refuses, and what it asks Docker for. Docker itself is a program
that writes down how it is called; the way through a cluster is in tests/cluster."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import pytest

from kube.manifest.builder import CAPABILITIES, builder
from kube.manifest.values import SecretValues
from tests.kube.making import MAIN, make_plan, make_request, make_settings

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "ops" / "build-agent-image"
DIGEST = "sha256:" + "5" * 64
BASE, BUSYBOX = f"example.test/debian@sha256:{'1' * 64}", f"busybox@sha256:{'2' * 64}"
GOOD = {"--image": "registry.test:5000/agent:1", "--base": BASE, "--busybox": BUSYBOX}
PROGRAMS = [
    "sh",
    "cat",
    "cut",
    "date",
    "dirname",
    "mktemp",
    "od",
    "printf",
    "rm",
    "sed",
    "sleep",
    "tar",
    "timeout",
    "tr",
    "gzip",
]
DOCKER = """\
#!/bin/sh
case "$1 $2" in
  "buildx version") exit "$VERSION" ;;
  "info "*) exit 0 ;;
esac
for word; do printf '%s\\n' "$word"; done >"$CALLED"
while [ "$1" != --metadata-file ]; do shift; done
printf '{\\n  "buildx.build.ref": "x/y",\\n  "containerimage.digest": "DIGEST"\\n}\\n' >"$2"
exit "$CODE"
"""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One with the usual programs, and the Docker of this test."""

    folder: Path

    def run(
        self,
        *more: str,
        code: int = 0,
        version: int = 0,
        options: Mapping[str, str | None] = MappingProxyType({}),
    ) -> subprocess.CompletedProcess[str]:
        """`options` beside the good ones; None takes one away. `code` is that of a build,
        `version` that of the question for Docker's version."""
        given = {**GOOD, **options}
        words = [word for pair in given.items() if pair[1] is not None for word in pair]
        environ = {
            "PATH": str(self.folder),
            "CALLED": str(self.folder / "called"),
            "CODE": str(code),
            "VERSION": str(version),
            "TMPDIR": str(self.folder / "tmp"),
        }
        return subprocess.run(
            [str(SCRIPT), *map(str, words), *more],
            env=environ, capture_output=True, text=True, timeout=30,
        )  # fmt: skip

    @property
    def called(self) -> list[str]:
        return (self.folder / "called").read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    usual = [
        "sh",
        "cat",
        "cut",
        "date",
        "dirname",
        "mktemp",
        "od",
        "printf",
        "rm",
        "sed",
        "sleep",
        "tar",
        "timeout",
        "tr",
        "gzip",
    ]
    for name in usual:
        os.symlink(shutil.which(name) or name, tmp_path / name)
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.replace("DIGEST", DIGEST))
    docker.chmod(0o755)
    (tmp_path / "tmp").mkdir()
    return Machine(folder=tmp_path)


def test_docker_builds_and_pushes_and_the_reference_is_all_that_is_printed(
    machine: Machine,
) -> None:
    done = machine.run()
    assert (done.returncode, done.stdout) == (0, f"registry.test:5000/agent@{DIGEST}\n")
    assert "SWITCHYARD_KUBE_AGENT_IMAGE" in done.stderr
    called = machine.called
    assert called[:2] == ["buildx", "build"]
    assert Path(called[-1]).resolve() == ROOT / "worker_image"
    assert "--push" in called and called[called.index("--tag") + 1] == GOOD["--image"]
    assert called[called.index("--platform") + 1] == "linux/amd64"
    arguments = [after for word, after in pairwise(called) if word == "--build-arg"]
    assert arguments == [f"BASE={BASE}", f"BUSYBOX={BUSYBOX}"]


def test_what_docker_cannot_build_is_a_failure_and_leaves_nothing(machine: Machine) -> None:
    done = machine.run(code=1)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Docker could not build or push it" in done.stderr
    assert list((machine.folder / "tmp").iterdir()) == []


def test_without_docker_and_kubectl_it_says_what_is_missing(machine: Machine) -> None:
    done = machine.run(version=1)
    assert done.returncode == 1
    assert "neither Docker with buildx answers, nor is kubectl here" in done.stderr


@pytest.mark.parametrize(
    "way,words", [("docker", "use --with cluster"), ("cluster", "use --with docker")]
)
def test_the_way_that_is_asked_for_is_the_one_that_is_gone(
    machine: Machine, way: str, words: str
) -> None:
    done = machine.run("--with", way, version=1)
    assert done.returncode == 1 and words in done.stderr


@pytest.mark.parametrize(
    "option,value,words",
    [
        ("image", None, "--image is missing"),
        ("image", "agent:1", "has no registry"),
        ("image", "registry.test:5000/agent", "has no tag"),
        ("image", f"registry.test/agent@{DIGEST}", "give a tag"),
        ("image", "registry.test/a b:1", "odd characters"),
        ("base", None, "--base is missing"),
        ("base", "debian:bookworm-slim", "is not pinned"),
        ("base", "debian@sha256:12", "is not pinned"),
        ("busybox", f"busybox@sha256:{'x' * 64}", "is not pinned"),
        ("busybox", "", "--busybox needs a value"),
        ("with", "podman", "use docker or cluster"),
        ("timeout", "1h", "give whole seconds"),
        ("namespace", "a\nb: c", "odd characters"),
        ("builder", "x}", "odd characters"),
        ("loud", "1", "--loud is none of its options"),
    ],
)
def test_it_refuses_before_it_does_anything(
    machine: Machine, option: str, value: str | None, words: str
) -> None:
    done = machine.run(options={f"--{option}": value})
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr and "--help" in done.stderr
    assert not (machine.folder / "called").exists()


def test_its_help_tells_every_option(machine: Machine) -> None:
    done = machine.run("--help")
    options = set(re.findall(r"^ +(--[a-z-]+)\)", SCRIPT.read_text(), re.MULTILINE))
    assert done.returncode == 0 and len(options) > 8
    assert {option for option in options if option not in done.stdout} == set()


def test_its_job_builds_as_the_products_jobs_do() -> None:
    """The same flags and rights: where the one builds, the other does."""
    values = SecretValues(variables={}, secret="none")
    made = builder(make_plan(MAIN), make_request(), make_settings(), values)
    flags = {word.partition("=")[0] for word in made["args"] if word.startswith("--")}
    text = SCRIPT.read_text()
    used = set(re.findall(r"^ +- (--[a-z-]+)", text, re.MULTILINE))
    assert used - {"--build-arg"} == flags - {"--cache-repo", "--cache-copy-layers"}
    assert f"add: [{', '.join(CAPABILITIES)}]" in text


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_finds_nothing() -> None:
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
