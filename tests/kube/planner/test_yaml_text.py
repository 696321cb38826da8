"""Texts from outside become plain values, or a message: nothing is executed, nothing explodes."""

import math
import time
from typing import Any

import pytest

from kube.planner.yaml_text import DEEPEST, LONGEST, BadYaml, read_yaml


def refusal(text: str) -> str:
    with pytest.raises(BadYaml) as caught:
        read_yaml(text)
    assert caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("22:22", "22:22"),
        ("2001-12-14", "2001-12-14"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("12", 12),
        ("-12", -12),
        ("+1_000", 1000),
        ("0777", 511),
        ("0o777", 511),
        ("0x1F", 31),
        ("-0x10", -16),
        ("0b101", 5),
        ("08", 8.0),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        (".", "."),
        ("-", [None]),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("0_", 0),
        ('"12"', "12"),
        ("'true'", "true"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("!!int 12", 12),
        ("!!float 1.5", 1.5),
        ("!!bool true", True),
        ("!!null ''", None),
        ("!!map {}", {}),
        ("!!seq []", []),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ("", None),
        ("# nothing\n", None),
    ],
)
def test_a_word_is_what_compose_takes_it_for(text: str, value: Any) -> None:
    found = read_yaml(text)
    assert found == value and type(found) is type(value)


def test_a_number_of_more_than_64_bits_is_a_fraction() -> None:
    assert read_yaml(str(2**64)) == float(2**64)
    assert read_yaml("9" * 5000) == math.inf
    assert math.isnan(read_yaml(".nan"))


def test_anchors_and_merges_are_followed() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  x: 0\n  <<: [*a, *b]\nd: {<<: *a, x: 9}"
    found = read_yaml(text)
    assert found["c"] == {"x": 0, "y": 2, "z": 4}
    assert found["d"] == {"x": 9, "y": 2}


def test_a_quoted_merge_is_a_key() -> None:
    assert read_yaml('"<<": 1') == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2", "line 2: the key a is given twice"),
        ("1: x", "line 1: 1 is no string"),
        ("true: x", "line 1: true is no string"),
        ("~: x", "is no string"),
        ("{a: 1}: x", "a key is no string"),
        ("a: *b", "the alias *b has no anchor"),
        ("a: &a [*a]", "refers to itself"),
        ("a: {<<: 1}", "<< merges what is no mapping"),
        ("a: !reset null", "the tag !reset is not read here"),
        ("!!python/object/apply:os.system [id]", "the tag !!python/object/apply:os.system"),
        ("!!set {a}", "the tag !!set"),
        ("!!int x", "not what its tag says"),
        ("a: 1\n---\nb: 2", "line 2: a second document begins"),
        ("a: [1", "line 2"),
        ("a:\n\tb: 1", "line 2"),
        ("a: \x00", "control"),
        ("a: \x07", "control"),
        ("a: \ud800", "half a character"),
        ("%YAML 3.0\n---\na: 1", "line 1"),
        ("x" * (LONGEST + 1), "characters"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, words: str) -> None:
    assert words in refusal(text)


def test_what_aliases_unfold_to_is_bounded() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    bomb = "\n".join(["a0: &a0 [x]", *levels])
    started = time.process_time()
    assert "unfolds to far too much" in refusal(bomb)
    assert time.process_time() - started < 5


def test_what_merges_unfold_to_is_bounded() -> None:
    keys = ", ".join(f"k{n}: 0" for n in range(1000))
    merges = "\n".join(f"m{n}: {{<<: *a}}" for n in range(1000))
    assert "unfolds to far too much" in refusal(f"a: &a {{{keys}}}\n{merges}")


def test_the_length_of_unfolded_texts_is_bounded() -> None:
    aliases = ", ".join(["*a"] * 1000)
    assert "unfolds to far too much" in refusal(f"a: &a {'x' * 1000}\nb: [{aliases}]")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "[[{a: [", "? "])
def test_depth_is_bounded(opening: str) -> None:
    started = time.process_time()
    assert refusal(opening * 20_000)
    assert time.process_time() - started < 5


def test_the_deepest_is_still_read() -> None:
    found = read_yaml("[" * (DEEPEST - 1) + "]" * (DEEPEST - 1))
    assert isinstance(found, list)
