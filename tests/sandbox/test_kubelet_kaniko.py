"""The stand-in of the executor: its command line, what it builds, how it fails."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from sandbox.kubernetes.kubelet.kaniko import context
from sandbox.kubernetes.kubelet.kaniko.flags import UsageError, read
from sandbox.kubernetes.kubelet.launch import Launched, launch_registry
from sandbox.kubernetes.registry.client import Pulled, Registry
from sandbox.launching import ROOT

DOCKERFILE = """\
# syntax=docker/dockerfile:1
ARG VERSION=3
FROM ruby:${VERSION} AS base
WORKDIR /app
COPY . .
ENV RAILS_ENV=test GREETING="hello $VERSION"
RUN echo "$RAILS_ENV" > built && cat keep/me >> built
FROM base AS app
ARG EXTRA
RUN echo "$EXTRA" >> built
USER app
STOPSIGNAL SIGINT
LABEL team=a
ENTRYPOINT ["/app/entry.sh"]
CMD rake spec
FROM app AS broken
RUN echo sorry && exit 9
"""


@dataclass
class Builder:
    folder: Path
    registry: Launched

    @property
    def context(self) -> Path:
        return self.folder / "context"

    @property
    def host(self) -> str:
        return self.registry.url.removeprefix("http://")

    def write(self, name: str, text: str) -> None:
        path = self.context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        (self.folder / "tmp").mkdir(exist_ok=True)
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "SANDBOX_PATH": os.environ["PATH"],
            "SANDBOX_REGISTRIES": json.dumps({"registry.test": self.registry.url}),
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
        }
        done = subprocess.run(
            [sys.executable, "-m", "sandbox.kubernetes.kubelet.kaniko", *arguments],
            env=env, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert list((self.folder / "tmp").iterdir()) == []
        return done

    def build(self, *arguments: str, tag: str = "k1") -> "subprocess.CompletedProcess[str]":
        place = f"--context=dir://{self.context}"
        return self.run(place, f"--destination={self.host}/acme/app:{tag}", *arguments)

    def pull(self, tag: str = "k1") -> Pulled:
        return Registry(self.registry.url).pull("acme/app", tag)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    launched = launch_registry(tmp_path_factory.mktemp("registry"))
    yield launched
    launched.stop()


@pytest.fixture
def builder(tmp_path: Path, registry: Launched) -> Iterator[Builder]:
    found = Builder(folder=tmp_path, registry=registry)
    found.write("Dockerfile", DOCKERFILE)
    found.write("entry.sh", "")
    found.write("keep/me", "kept\n")
    found.write("spec/a_spec.rb", "")
    found.write(".dockerignore", "spec\n*.log\n!keep.log\n")
    found.write("noise.log", "")
    found.write("keep.log", "")
    yield found
    requests.put(f"{registry.url}/sandbox/faults", json=[], timeout=10)


def test_it_builds_the_wanted_stage_and_pushes_what_came_of_it(builder: Builder) -> None:
    done = builder.build("--target=app", "--build-arg=EXTRA=more", "--digest-file=digest")
    assert done.returncode == 0, done.stderr
    assert "INFO[0000] Retrieving image manifest ruby:${VERSION}" in done.stdout
    assert f"Pushed {builder.host}/acme/app@sha256:" in done.stdout
    pulled = builder.pull()
    assert (builder.folder / "digest").read_text() == pulled.digest
    assert pulled.places == ("/app",)
    assert (pulled.tree / "app" / "built").read_text() == "test\nkept\nmore\n"
    found = sorted(path.name for path in (pulled.tree / "app").iterdir())
    assert found == [".dockerignore", "Dockerfile", "built", "entry.sh", "keep", "keep.log"]
    assert pulled.config == {
        "Entrypoint": ["./entry.sh"],
        "Cmd": ["/bin/sh", "-c", "rake spec"],
        "Env": ["RAILS_ENV=test", "GREETING=hello "],
        "WorkingDir": "/app",
        "User": "app",
        "StopSignal": "SIGINT",
        "Labels": {"team": "a"},
    }
    assert (builder.context / "keep" / "me").read_text() == "kept\n"


def test_a_step_that_fails_gives_its_own_exit_code(builder: Builder) -> None:
    done = builder.build(tag="broken")
    assert done.returncode == 9
    assert "sorry" in done.stdout
    assert done.stderr.splitlines()[-1] == (
        "error building image: error building stage: failed to execute command:"
        " waiting for process to exit: exit status 9"
    )
    answer = requests.get(f"{builder.registry.url}/v2/acme/app/manifests/broken", timeout=10)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("dockerfile", "arguments", "sign"),
    [
        ("FROM x\nCOPY nothing /\n", [], "failed to get fileinfo for "),
        ("FROM x\nFETCH it\n", [], "error building image: parsing dockerfile: line 2"),
        ("RUN true\n", [], "parsing dockerfile: the Dockerfile has no FROM"),
        ("FROM x\n", ["--target=y"], "y is not a valid target build stage"),
        ("FROM x\n", ["--dockerfile=none"], "please provide a valid path to a Dockerfile"),
    ],
)
def test_what_cannot_be_built_is_said_in_the_executors_words(
    builder: Builder, dockerfile: str, arguments: list[str], sign: str
) -> None:
    builder.write("Dockerfile", dockerfile)
    done = builder.build(*arguments)
    assert done.returncode == 1 and sign in done.stderr


def test_it_asks_whether_it_may_push_before_it_builds(builder: Builder) -> None:
    for host in ("nowhere.test", "127.0.0.1:9"):
        done = builder.run(f"--context={builder.context}", f"--destination={host}/a/b:1")
        assert done.returncode == 1 and "Running" not in done.stdout
        assert done.stderr.startswith("error checking push permissions -- make sure you entered")


def test_a_push_that_is_refused_fails_the_build(builder: Builder) -> None:
    rules = [{"status": 403, "method": "PUT", "path": "/manifests/", "count": 1}]
    url = f"{builder.registry.url}/sandbox/faults"
    assert requests.put(url, json=rules, timeout=10).status_code == 200
    done = builder.build("--target=base", tag="refused")
    assert done.returncode == 1
    assert done.stderr.startswith("error pushing image: failed to push to destination ")
    assert "DENIED" in done.stderr
    assert builder.build("--target=base", tag="refused").returncode == 0


def test_a_registry_may_have_a_name_of_its_own(builder: Builder) -> None:
    done = builder.run(
        f"--context={builder.context}", "--target=base", "--destination=registry.test/acme/named:1"
    )
    assert done.returncode == 0, done.stderr
    assert Registry(builder.registry.url).pull("acme/named", "1").config["WorkingDir"] == "/app"


def test_the_flags_of_the_pod_are_known_and_others_are_not() -> None:
    line = (
        "--cache --cache-repo r/cache --compressed-caching=false --snapshot-mode=redo"
        " --push-retry=3 --image-download-retry=3 --credential-helpers= --cache-copy-layers"
        " -d a/b:1 --build-arg A=1 --build-arg B=x=y -f D --insecure=true"
    )
    flags = read(line.split())
    assert flags.on("cache") and flags.on("insecure") and not flags.on("compressed-caching")
    assert flags.text("cache-repo") == "r/cache" and flags.text("dockerfile") == "D"
    assert flags.pairs("build-arg") == {"A": "1", "B": "x=y"}
    assert flags.lists["destination"] == ["a/b:1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--privileged"], "unknown flag: --privileged"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["--target"], "flag needs an argument: --target"),
        (["--cache=maybe"], 'invalid argument "maybe" for "--cache" flag'),
        (["build"], 'unknown command "build"'),
    ],
)
def test_a_wrong_command_line_is_an_error(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(arguments)
    assert message in str(caught.value)


def test_an_ignore_file_is_read_as_docker_reads_it(tmp_path: Path) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    for name in (
        "a.rb",
        "tmp/x",
        "tmp/keep",
        "docs/a.md",
        "docs/deep/b.md",
        "log/x.log",
        "b1",
        "b2",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    (source / "link").symlink_to("a.rb")
    (source / ".dockerignore").write_text("# no\n/tmp\n!tmp/keep\n**/*.md\nlog/*.log\nb[2-3]\n")
    context.copy(source, source / "Dockerfile", place)
    found = sorted(str(p.relative_to(place)) for p in place.rglob("*") if not p.is_dir())
    assert found == [".dockerignore", "a.rb", "b1", "link", "tmp/keep"]
    assert (place / "link").is_symlink()
