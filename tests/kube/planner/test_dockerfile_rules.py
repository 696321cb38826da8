"""What Kaniko gets wrong without failing is a problem that names line and remedy."""

import pytest

from tests.kube.making import make_plan, problems_of, with_main

BUILD = """\
services:
  saturn_test_app:
    build:
      context: ..
      dockerfile: .saturnci/Dockerfile
"""


def problems(dockerfile: str, build: str = "") -> list[str]:
    return problems_of(BUILD + build, dockerfile)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("ADD --checksum=sha256:ab https://e.example/x /x", "ADD --checksum"),
        ("ADD --keep-git-dir=true a b", "ADD --keep-git-dir"),
        ("ADD --unpack=true a b", "ADD --unpack"),
        ("ADD --exclude=*.md a b", "ADD --exclude"),
        ("ADD git@github.com:acme/x.git /x", "ADD: the repository"),
        ("ADD --chown=a https://e.example/x.git#main:sub y /x", "ADD: the repository"),
        ("COPY --exclude=a b c", "COPY --exclude"),
        ("copy --parents a b", "COPY --parents"),
        ("COPY <<E /x\nhome=$HOME\nE", "COPY <<"),
        ("COPY <<E /x\nhome=\\${HOME}\nE", "COPY <<"),
        ("ADD <<-E /x\n\t$A\n\tE", "ADD <<"),
        ("RUN --network=none true", "RUN --network"),
        ("RUN --security=insecure true", "RUN --security"),
        ("RUN --device=gpu true", "RUN --device"),
        ("RUN --mount=type=tmpfs,target=/x true", "RUN --mount=type=tmpfs"),
        ("RUN --mount=type=ssh true", "RUN --mount=type=ssh"),
        ("RUN --mount=TYPE=SSH true", "RUN --mount=type=ssh"),
        ("RUN --mount=type=secret,id=x true", "RUN --mount=type=secret"),
        ("RUN --mount=type=bind,from=a,target=/x true", "RUN --mount=type=bind,from="),
        ("RUN --mount=from=a,target=/x true", "RUN --mount=type=bind,from="),
        ("RUN --mount=type=$KIND true", "RUN --mount=type=$kind"),
        ("ONBUILD RUN --network=host true", "RUN --network"),
        ("ARG A GITHUB_TOKEN=x", "ARG GITHUB_TOKEN"),
        ("FROM --platform=linux/arm64 debian", "FROM --platform"),
        ("FROM a b", "FROM: `a b` is no base image"),
        ("FROM", "FROM: `` is no base image"),
    ],
)
def test_what_would_be_built_wrongly_is_a_problem(line: str, what: str) -> None:
    (problem,) = problems(f"FROM debian\n{line}\nRUN true\n")
    assert problem.startswith(f"service saturn_test_app, Dockerfile line 2, {what}")
    assert "; " in problem


@pytest.mark.parametrize(
    "lines",
    [
        "RUN <<EOF\necho $HOME\nEOF",
        "COPY <<'EOF' /x\n$HOME\nEOF",
        "COPY <<EOF /x\ncosts 5$ or $1\nEOF",
        "COPY --chmod=755 --chown=a:b --link a b",
        "COPY --from=debian /a /b",
        "RUN --mount=type=bind,source=a,target=/a --mount=type=cache,target=/c true",
        "RUN --mount=target=/a true",
        "ADD https://e.example/x.tgz /x",
        "ADD archive.git.tar /x",
        "HEALTHCHECK --interval=5s --start-interval=1s CMD true",
        "ONBUILD COPY . .",
        'VOLUME /data\nSTOPSIGNAL SIGINT\nSHELL ["/bin/bash", "-c"]\nUSER app\nEXPOSE 80',
        "LABEL a=GITHUB_TOKEN\nENV GITHUB_TOKEN=x",
        "FROM --platform=$BUILDPLATFORM debian AS x\nFROM x",
    ],
)
def test_what_is_built_as_it_should_is_none(lines: str) -> None:
    assert problems(f"# syntax=docker/dockerfile:1\nARG BASE=debian\nFROM $BASE\n{lines}\n") == []


def test_a_token_that_compose_gives_is_given() -> None:
    build = "      args: {GITHUB_TOKEN: '${MINE}'}\n"
    assert problems("FROM a\nARG GITHUB_TOKEN", build) == []


@pytest.mark.parametrize("target", ["Test", "test", "1"])
def test_a_target_is_one_of_the_stages(target: str) -> None:
    make_plan(BUILD + f"      target: '{target}'\n", "FROM a\nFROM b AS tEST\nFROM c")


def test_an_unknown_target_is_a_problem() -> None:
    (problem,) = problems("FROM a AS b", "      target: c\n")
    assert problem.startswith(
        "service saturn_test_app, build.target: the Dockerfile has no stage `c`"
    )


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("", "Dockerfile: has no FROM"),
        ("# FROM a", "Dockerfile: has no FROM"),
        ("ARG A", "Dockerfile: has no FROM"),
        ("RUN a\nFROM b", "Dockerfile line 1, RUN: no image to do it in yet"),
        ("FROM a\nFORM b", "Dockerfile line 2: `FORM` is no instruction"),
        ("FROM a\n" + "RUN b\n" * 6000, "has 6001 instructions"),
        ("FROM a\n" + "#" * 300_000, "at most 256000 are read"),
        ("FROM a\x00", "Dockerfile line 1: it holds a NUL character"),
    ],
)
def test_a_file_that_cannot_be_built_is_a_problem(dockerfile: str, words: str) -> None:
    (problem,) = problems(dockerfile)
    assert words in problem


def test_every_line_is_told_at_once() -> None:
    lines = "FROM a\n" + "RUN --network=none b\n" * 5
    assert len(problems(lines)) == 5


def test_the_problem_names_the_service_whatever_it_is_called() -> None:
    compose = with_main("{}").replace("saturn_test_app", "web").replace("    {}\n", "")
    (problem,) = problems_of(compose, "FROM a b")
    assert problem.startswith("service web, Dockerfile line 1")
