from __future__ import annotations

import pytest

from worker_image.switchyard_agent.dockerfile import parse, read_plan
from worker_image.switchyard_agent.errors import BuildFailed


def read(text: str) -> list[tuple[int, str, str]]:
    return [(step.line, step.keyword, step.text) for step in parse(text)]


def test_continuations_are_joined_without_the_comments_and_empty_lines_among_them() -> None:
    text = "FROM x\n\n# a comment\nrun one && \\\n  # inside\n\n  two \\  \n  three\nRUN four"
    assert read(text) == [
        (1, "FROM", "x"),
        (4, "RUN", "one &&   two   three"),
        (9, "RUN", "four"),
    ]


def test_a_directive_changes_the_character_that_continues_a_line() -> None:
    text = "# syntax=docker/dockerfile:1\n# escape=`\nFROM x\nRUN a `\n b \\\nRUN c"
    assert read(text)[1:] == [(4, "RUN", "a  b \\"), (6, "RUN", "c")]


def test_a_comment_that_looks_like_a_directive_further_down_is_none() -> None:
    assert read("FROM x\n# escape=`\nRUN a \\\n b")[1:] == [(3, "RUN", "a  b")]


def test_windows_line_ends_and_tabs_are_fine() -> None:
    assert read("FROM\tx\r\nRUN a \\\r\n b\r\n") == [(1, "FROM", "x"), (2, "RUN", "a  b")]


def test_flags_are_taken_apart_from_the_command() -> None:
    _, step = parse("FROM x\nRUN --mount=type=cache,target=/a --network=none make --all")
    assert step.flags == ("--mount=type=cache,target=/a", "--network=none")
    assert step.text == "make --all"


def test_a_here_document_is_no_instruction() -> None:
    steps = list(
        parse('FROM x\nRUN <<EOF\necho "a"\nFROM y\nEOF\nCOPY <<-A <<B /d/\n\tone\n\tA\nB\nRUN b')
    )
    assert [step.keyword for step in steps] == ["FROM", "RUN", "COPY", "RUN"]
    assert steps[1].here_documents == ('echo "a"\nFROM y\nEOF\n',)
    assert steps[2].here_documents == ("one\nA\n", "B\n")


@pytest.mark.parametrize("text", ["RUN echo $((1<<2))", 'RUN cat <<< "x"', "RUN a<<EOF2x"])
def test_other_shifts_and_here_strings_begin_no_here_document(text: str) -> None:
    assert len(list(parse(f"FROM x\n{text}\nRUN next"))) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM x\nRNU a", "line 2 of the Dockerfile: RNU is no instruction"),
        ("FROM x\nRUN <<EOF\na", "line 2 of the Dockerfile: its here-document EOF never ends"),
        ("ARG A\n", "no FROM"),
        ("", "no FROM"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(BuildFailed, match=message):
        read_plan(text)


def test_the_last_stage_is_built_upon_those_it_is_from() -> None:
    plan = read_plan(
        "ARG V=1\n"
        "FROM ruby:$V AS Base\nRUN base\n"
        "FROM node AS assets\nRUN assets\n"
        "FROM --platform=linux/amd64 base AS app\nRUN app\n"
        "FROM app\nRUN last\n"
    )
    runs = [step.text for step in plan.steps if step.keyword == "RUN"]
    assert runs == ["base", "app", "last"]
    assert [step.text for step in plan.global_args] == ["V=1"]


def test_an_image_that_is_named_like_its_own_stage_is_no_stage() -> None:
    plan = read_plan("FROM ruby AS ruby\nRUN a\n")
    assert [step.keyword for step in plan.steps] == ["FROM", "RUN"]
