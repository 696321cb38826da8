"""Values are read as compose reads them."""

import math
from typing import Any

import pytest

from kube.planner import values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (True, "true"),
        (False, "false"),
        (5432, "5432"),
        (1.10, "1.1"),
        (3.0, "3"),
        (-2.5, "-2.5"),
        (0.0001, "0.0001"),
        (1e-5, "1e-05"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.25e300, "1.25e+300"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_a_scalar_has_the_text_that_compose_gives_it(value: Any, text: str | None) -> None:
    assert values.as_text(value) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1m30s", 90),
        ("1.5h", 5400),
        ("500ms", 0.5),
        ("250us", 0.00025),
        ("0", 0),
        ("0s", 0),
        ("7d", 604800),
        ("8d", None),
        ("30", None),
        ("s", None),
        ("", None),
        ("-1s", None),
        ("1s ", None),
        ("1" * 60 + "s", None),
        ("٣s", None),
    ],
)
def test_a_duration_needs_its_unit(text: str, seconds: float | None) -> None:
    assert values.seconds(text) == pytest.approx(seconds) if seconds else not values.seconds(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512m", 512 * 1024**2),
        ("1.5g", 1536 * 1024**2),
        ("2GB", 2 * 1024**3),
        ("64 MiB", 64 * 1024**2),
        ("100", 100),
        ("10b", 10),
        ("5p", None),
        ("-1", None),
        ("1x", None),
        ("", None),
        ("9" * 60, None),
    ],
)
def test_a_size_may_have_a_unit(text: str, size: int | None) -> None:
    assert values.size(text) == size


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.5", 1.5), ("0", 0), (".5", 0.5), ("2.", 2), ("1e3", None), ("-1", None), ("9" * 50, None)],
)
def test_a_number_is_plain(text: str, number: float | None) -> None:
    assert values.number(text) == number


def test_a_whole_number_is_whole() -> None:
    assert values.whole("3") == 3 and values.whole("3.0") == 3
    assert values.whole("3.5") is None and values.whole("x") is None


def test_a_switch_has_the_words_of_yaml() -> None:
    assert values.switch("YES") is True and values.switch("off") is False
    assert values.switch("maybe") is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("a b  c", ["a", "b", "c"]),
        ("sh -c 'a && b'", ["sh", "-c", "a && b"]),
        ('x "a \\" b" c\\ d', ["x", 'a " b', "c d"]),
        ("a#b # c", ["a#b", "#", "c"]),
        ("echo a\\;b", ["echo", "a;b"]),
        ("--x='' y", ["--x=", "y"]),
    ],
)
def test_a_line_is_split_as_a_shell_would(line: str, words: list[str]) -> None:
    assert values.split(line) == words


@pytest.mark.parametrize(
    "line", ["a && b", "a; b", "a | b", "a > b", "a <b", "a 'b", 'a "b', "a\\"]
)
def test_a_line_that_needs_a_shell_is_refused(line: str) -> None:
    with pytest.raises(values.BadCommand):
        values.split(line)
