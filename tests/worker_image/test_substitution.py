from __future__ import annotations

import pytest

from worker_image.switchyard_agent.substitution import words

VARIABLES = {"A": "one two", "EMPTY": "", "HOME": "/root"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a", "b"]),
        ('K="a b" L=c', ["K=a b", "L=c"]),
        ("K='$A'", ["K=$A"]),
        ("K=$A", ["K=one two"]),
        ('K="$A"', ["K=one two"]),
        (r"K=a\ b", ["K=a b"]),
        (r'K="say \"hi\" \$A"', ['K=say "hi" $A']),
        (r'K="back\slash"', [r"K=back\slash"]),
        ("K=${A}s", ["K=one twos"]),
        ("K=$MISSING.", ["K=."]),
        ("K=${MISSING:-d}${MISSING-e}", ["K=de"]),
        ("K=${EMPTY:-d}${EMPTY-e}", ["K=d"]),
        ("K=${A:+yes}${EMPTY:+no}${EMPTY+set}", ["K=yesset"]),
        ("K=${MISSING:-$HOME}", ["K=/root"]),
        ('K=""', ["K="]),
        ('""', [""]),
        ("", []),
        ("K=a'b c'd", ["K=ab cd"]),
        ("it's", ["it's"]),
    ],
)
def test_words_are_read_as_docker_reads_them(text: str, expected: list[str]) -> None:
    assert words(text, VARIABLES) == expected
