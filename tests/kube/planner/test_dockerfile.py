"""A Dockerfile is cut into instructions where BuildKit cuts it."""

import contextlib
import time

import pytest

from kube.planner.dockerfile import BadDockerfile, Instruction, parse


def only(text: str) -> Instruction:
    (found,) = parse(text)
    return found


def refusal(text: str) -> str:
    with pytest.raises(BadDockerfile) as caught:
        parse(text)
    return f"line {caught.value.line}: {caught.value}"


def test_keywords_are_read_in_any_case() -> None:
    assert [found.keyword for found in parse("from a\nRuN b\n copy c d")] == ["FROM", "RUN", "COPY"]


def test_lines_are_continued() -> None:
    found = only("RUN a \\\n  b \\  \n\n# a comment\n   # another\n  c\nRUN d"[:-6])
    assert found.text.split() == ["a", "b", "c"] and found.line == 1


def test_an_escaped_escape_continues_nothing() -> None:
    assert [found.text for found in parse("RUN a \\\\\nRUN b")] == ["a \\\\", "b"]


def test_the_escape_directive_changes_what_continues() -> None:
    found = parse("# escape=`\nRUN a `\n  b\nRUN c \\\nRUN d")
    assert [item.text.split() for item in found] == [["a", "b"], ["c", "\\"], ["d"]]


def test_directives_end_with_the_first_other_line() -> None:
    assert len(parse("# hello\n# escape=`\nRUN a \\\n b")) == 1
    assert len(parse("\n# escape=`\nRUN a \\\n b")) == 1
    assert len(parse("# syntax=docker/dockerfile:1\n#escape = `\nRUN a `\n b")) == 1


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        (
            "RUN --mount=type=cache,target=/x make all",
            ("--mount=type=cache,target=/x",),
            "make all",
        ),
        ("COPY --from=a --chown=b:c x y", ("--from=a", "--chown=b:c"), "x y"),
        ('COPY --chown="a b" x y', ("--chown=a b",), "x y"),
        ("RUN -- --x", (), "--x"),
        ("RUN --a\\ b c", ("--a b",), "c"),
        ("RUN npm --version", (), "npm --version"),
        ("RUN --x", ("--x",), ""),
        ("RUN --x='never ends", ("--x=never ends",), ""),
    ],
)
def test_flags_stand_before_the_rest(text: str, flags: tuple[str, ...], rest: str) -> None:
    found = only(text)
    assert (found.flags, found.text) == (flags, rest)


def test_the_body_of_a_here_document_is_no_instruction() -> None:
    first, second = parse("RUN <<EOF\nFROM nothing\n# EOF\n EOF\nEOF\nRUN b")
    assert first.here_documents[0].body == "FROM nothing\n# EOF\n EOF"
    assert second.text == "b"


@pytest.mark.parametrize(
    ("word", "name", "expands"),
    [
        ("<<EOF", "EOF", True),
        ("<<-EOF", "EOF", True),
        ('<<"EOF"', "EOF", False),
        ("<<'E F'", "E F", False),
        ("3<<EOF", "EOF", True),
        ("<<\\EOF", "EOF", True),
        ("<<a-b.c", "a-b.c", True),
    ],
)
def test_a_delimiter_in_quotes_keeps_variables(word: str, name: str, expands: bool) -> None:
    first, second = parse(f"COPY {word} /x\nbody\n{name}\nRUN b")
    assert [item.expands for item in first.here_documents] == [expands]
    assert first.here_documents[0].body == "body" and second.keyword == "RUN"


def test_a_dash_lets_the_end_be_indented() -> None:
    assert len(parse("RUN <<-EOF\n\ta\n\t\tEOF\nRUN b")) == 2


def test_one_line_may_have_several_here_documents() -> None:
    first, _ = parse("COPY <<A <<'B' /x/\n1\nA\n2\nB\nRUN b")
    assert [item.body for item in first.here_documents] == ["1", "2"]


@pytest.mark.parametrize(
    "text", ["RUN echo '<<EOF'", "RUN a<<EOF", 'RUN ["cat", "<<EOF"]', "ENV A=<<EOF", "RUN <<<EOF"]
)
def test_what_is_no_here_document_has_no_body(text: str) -> None:
    assert [found.here_documents for found in parse(f"{text}\nRUN b")] == [(), ()]


def test_what_follows_onbuild_is_an_instruction() -> None:
    found = only("ONBUILD  copy --link a b")
    assert found.trigger and found.keyword == "COPY" and found.flags == ("--link",)
    assert len(parse("ONBUILD RUN <<EOF\nx\nEOF")) == 1


def test_a_byte_order_mark_and_carriage_returns_are_nothing() -> None:
    found = parse("\ufeffFROM a\r\nRUN b \\\r\n c\r\n")
    assert [item.text.split() for item in found] == [["a"], ["b", "c"]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM a\nRUNN b", "line 2: `RUNN` is no instruction"),
        ("RUN <<EOF\nx", "line 1: its here-document EOF never ends"),
        ("ONBUILD", "ONBUILD needs an instruction"),
        ("ONBUILD ONBUILD RUN x", "ONBUILD needs an instruction"),
        ("ONBUILD FROM x", "ONBUILD needs an instruction"),
        ("# escape=x\nFROM a", "line 1: the directive escape takes"),
        ("# escape=`\n# escape=`\nFROM a", "line 2: the directive escape is given twice"),
        ("RUN " + "x" * 70_000, "line 1: it is longer"),
    ],
)
def test_a_broken_line_is_named(text: str, words: str) -> None:
    assert words in refusal(text)


@pytest.mark.parametrize(
    "text",
    ["RUN \\\n" * 60_000, "RUN " + "--a'b" * 12_000, "RUN " + "<<A " * 15_000, "#" * 250_000,
     "RUN " + "\\ " * 30_000, "RUN [" + "[" * 60_000, "COPY " + "'\"" * 30_000, "\n" * 250_000,
     "RUN --x=" + "'\\" * 30_000],
)  # fmt: skip
def test_any_text_is_read_in_a_moment(text: str) -> None:
    started = time.process_time()
    with contextlib.suppress(BadDockerfile):
        parse(text)
    assert time.process_time() - started < 5
