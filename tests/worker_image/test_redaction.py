from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from worker_image.switchyard_agent.redaction import Redactor

SECRET = "p@ss/wörd+1"


def test_a_secret_goes_as_it_is_and_url_encoded() -> None:
    redactor = Redactor([SECRET])
    for form in (SECRET, quote(SECRET, safe=""), quote(SECRET, safe="").lower()):
        assert redactor.clean(f"a {form} b".encode()) == b"a [REDACTED] b"


@pytest.mark.parametrize("before", ["", "u", "us", "use", "user:"])
@pytest.mark.parametrize("after", ["", "x", "xy", "\n"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_goes_in_base64_wherever_it_stands(before: str, after: str, encode) -> None:  # type: ignore[no-untyped-def]
    encoded = encode(f"{before}{SECRET}{after}".encode())
    cleaned = Redactor([SECRET]).clean(encoded)
    assert b"[REDACTED]" in cleaned
    rest = len(cleaned) - len(b"[REDACTED]")
    assert rest <= len(encode(before.encode())) + len(encode(after.encode())) + 4


def test_a_secret_of_several_lines_goes_line_by_line() -> None:
    redactor = Redactor(["first-line\r\nsecond-line\n\n"])
    assert redactor.clean(b"first-line\n  second-line\n") == b"[REDACTED]\n  [REDACTED]\n"


def test_of_two_secrets_that_begin_alike_the_longer_goes_whole() -> None:
    assert Redactor(["abcde", "abcdefgh"]).clean(b"abcdefgh abcdeX") == b"[REDACTED] [REDACTED]X"


def test_short_values_stay() -> None:
    assert Redactor(["true", "1", ""]).clean(b"true 1") == b"true 1"


def test_without_secrets_everything_stays() -> None:
    assert Redactor().clean(b"\xff\x00a") == b"\xff\x00a"


def test_a_secret_that_is_added_later_counts_from_then_on() -> None:
    redactor = Redactor(["first"])
    redactor.add(["second"])
    assert redactor.clean(b"first second") == b"[REDACTED] [REDACTED]"


def test_a_safe_cut_never_splits_a_secret() -> None:
    redactor = Redactor(["secret-value"])
    data = b"......secret-value........"
    for length in range(len(data)):
        cut = redactor.safe_cut(data[:length])
        assert redactor.clean(data[:cut]) + redactor.clean(data[cut:]) == redactor.clean(data)
