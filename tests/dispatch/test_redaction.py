"""Secrets do not get past the door, in whatever dress."""

import base64
import json
import time
from random import Random
from string import ascii_letters
from urllib.parse import quote, quote_plus

import pytest

from dispatch import encryption, redaction
from dispatch.models import TaskSecret
from dispatch.redaction import MASK, WITHHELD, Redactor, clean_results, redactor_for
from dispatch.results import document, read
from tests.dispatch.result_files import junit
from tests.factories import make_task

SECRET = "p@ss word/with?signs+é"


def clean(text: str, *secrets: str) -> str:
    return Redactor(secrets).clean(text.encode()).decode()


@pytest.mark.parametrize(
    "dressed",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").replace("%C3%A9", "%c3%a9").replace("%2F", "%2f"),
        json.dumps(SECRET)[1:-1],
    ],
)
def test_it_masks_a_value_as_it_is_and_encoded(dressed: str) -> None:
    assert "pass" not in clean(f"a {dressed} b", SECRET).replace(MASK.decode(), "")
    assert clean(f"a {SECRET} b", SECRET) == "a [REDACTED] b"


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
@pytest.mark.parametrize("after", ["", "1", "12"])
def test_it_masks_a_value_inside_of_base64_at_every_alignment(before: str, after: str) -> None:
    secret = "s3cr3t-value"
    encoded = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    cleaned = clean(f"Basic {encoded}", secret)
    assert "[REDACTED]" in cleaned
    left = cleaned.removeprefix("Basic ").replace("[REDACTED]", "")
    assert len(left) <= len(encoded) - len(secret)


@pytest.mark.parametrize("width", [60, 64, 76])
@pytest.mark.parametrize("newline", ["", "\n"])
def test_it_masks_base64_that_was_broken_into_lines(width: int, newline: str) -> None:
    """Each of a key's own lines would be split by it; of the last line some characters may stay."""
    lines = ["".join(Random(n).choices(ascii_letters, k=64)) for n in range(9)]
    key = "\n".join(["-----BEGIN KEY-----", *lines, "-----END KEY-----"])
    encoded = base64.b64encode(f"{key}{newline}".encode()).decode()
    log = "".join(f"{encoded[at : at + width]}\n" for at in range(0, len(encoded), width))
    left = clean(log, key).replace(MASK.decode(), "").replace("\n", "")
    assert len(left) < 20 and encoded.endswith(left)


def test_it_masks_a_value_of_several_lines_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nMIIEabc123\r\n  MIIEdef456\n-----END KEY-----"
    log = "1: MIIEabc123\n2: xMIIEdef456x\n"
    assert clean(log, key) == "1: [REDACTED]\n2: x[REDACTED]x\n"


def test_it_leaves_values_of_less_than_four_characters() -> None:
    assert clean("port 443, abc, abcd", "443", "abc") == "port 443, abc, abcd"
    assert clean("port 443, abc, abcd", "abcd") == "port 443, abc, [REDACTED]"


def test_overlapping_values_leave_nothing_of_either() -> None:
    assert clean("xabcdefghix", "abcdef", "defghi") == "x[REDACTED]x"
    assert clean("token-longer", "token", "token-longer") == "[REDACTED]"


@pytest.mark.parametrize(
    "line,cleaned",
    [
        ("ghs_abcdefghijklmnopqrst0123 x", "[REDACTED] x"),
        ("a=ghp_ABCDEFGHIJKLMNOPQRST0123", "a=[REDACTED]"),
        ("github_pat_11ABCDEFG0123456789_abc", "[REDACTED]"),
        ("v1." + "0123456789abcdef" * 2 + "01234567 x", "[REDACTED] x"),
        ("https://x-access-token:abc.def@github.com/a/b", "https://x-access-token:[REDACTED]@github.com/a/b"),
        ("GitHub token: whatever-it-is", "GitHub token: [REDACTED]"),
        ("--build-arg GITHUB_TOKEN=abc --x", "--build-arg GITHUB_TOKEN=[REDACTED] --x"),
        ("--build-arg BUNDLE_GITHUB__COM=a:b -f", "--build-arg BUNDLE_GITHUB__COM=[REDACTED] -f"),
        ("BUNDLE_GEMS__CONTRIBSYS__COM=abc:def", "BUNDLE_GEMS__CONTRIBSYS__COM=[REDACTED]"),
        ("BUNDLE_GEMFILE=Gemfile", "BUNDLE_GEMFILE=Gemfile"),
        ("enough_of_this, v1.2.3, high_fives", "enough_of_this, v1.2.3, high_fives"),
    ],
)  # fmt: skip
def test_it_masks_credentials_by_their_form(line: str, cleaned: str) -> None:
    assert clean(line) == cleaned


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    data = b"\xff\x00\xfe secret-value \x80"
    assert Redactor(["secret-value"]).clean(data) == b"\xff\x00\xfe [REDACTED] \x80"


@pytest.mark.parametrize(
    "line,cleaned",
    [
        (b"password=hunt", b"password=[REDACTED]"),
        (b"password=hunter2-lon", b"password=[REDACTED]"),
        (b"password=hun", b"password=hun"),
        (b"password", b"password"),
        (b"", b""),
    ],
)
def test_the_beginning_of_a_value_at_the_end_of_half_a_line_goes_too(
    line: bytes, cleaned: bytes
) -> None:
    assert Redactor(["hunter2-long"]).clean_line_end(line) == cleaned


def test_results_lose_secrets_from_messages_and_nothing_else() -> None:
    """A variable whose value is a word of the format must not make the file unreadable."""
    message = "expected test to be passed, got k3y-value"
    example = {"status": "passed", "id": "./spec/test_spec.rb", "exception": {"message": message}}
    data = json.dumps({"examples": [example], "summary": {"example_count": 1}}).encode()
    found = json.loads(clean_results(Redactor(["passed", "test", "k3y-value"]), data))
    assert found["examples"][0]["status"] == "passed"
    assert found["examples"][0]["id"] == "./spec/test_spec.rb"
    left = found["examples"][0]["exception"]["message"]
    assert left == "expected [REDACTED] to be [REDACTED], got [REDACTED]"


def test_results_that_cannot_be_read_are_cleaned_as_text() -> None:
    assert clean_results(Redactor(["k3y-value"]), b"{k3y-value") == b"{[REDACTED]"


def test_results_without_secrets_stay_byte_for_byte() -> None:
    data = b'{"examples" :  []}'
    assert clean_results(Redactor(["k3y-value"]), data) is data


def test_junit_loses_secrets_from_what_the_tests_say_and_nothing_else() -> None:
    failure = '<failure message="got a&lt;k3y&amp;v" type="test">k3y is a&lt;k3y&amp;v</failure>'
    data = junit(failure + "<system-out>a&lt;k3y&amp;v</system-out>")
    cleaned = clean_results(Redactor(["a<k3y&v", "Shop", "testsuite"]), data)
    assert b"k3y&amp;v" not in cleaned and cleaned.count(MASK) == 3
    assert read(cleaned) == read(data)
    assert document(cleaned)["examples"][0]["id"] == "Shop::case 1"


def test_junit_without_secrets_stays_byte_for_byte() -> None:
    data = junit("<system-out>fine</system-out>")
    assert clean_results(Redactor(["k3y-value"]), data) is data
    assert clean_results(Redactor(["k3y-value"]), b"<k3y-value") == b"<[REDACTED]"


@pytest.mark.parametrize("length", [5000, 8192, 8193, 100_000])
def test_a_very_long_value_is_masked_whole(length: int) -> None:
    value = "".join(Random(length).choices(ascii_letters, k=length))
    cleaned = Redactor([value]).clean(f"x{value}y".encode())
    assert cleaned.replace(MASK, b"") == b"xy"


@pytest.mark.django_db
def test_a_tasks_variables_are_secret_and_so_is_what_the_caller_adds() -> None:
    task = make_task()
    ciphertext = encryption.encrypt_mapping({"A": "value-of-a", "B": "value-of-b"})
    TaskSecret.objects.create(task=task, ciphertext=ciphertext)
    redactor = redactor_for(task.pk, "the-token")
    assert redactor.clean(b"value-of-a value-of-b the-token") == b" ".join([MASK] * 3)


@pytest.mark.django_db
def test_nothing_is_shown_while_the_secrets_cannot_be_read() -> None:
    task = make_task()
    TaskSecret.objects.create(task=task, ciphertext=b"sealed under another key")
    redactor = redactor_for(task.pk)
    assert redactor.clean(b"anything\n") == WITHHELD
    assert redactor.clean(b"") == b""


def test_many_values_are_found_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    values = ["abcd", "abcdefgh", "cdefghij", "ijabcd", "dd-dd", "x y/z?", "é-é-é"]
    redactor, random = Redactor(values), Random(3)
    dressed = [*values, "ab", "cdef", " ", *(base64.b64encode(v.encode()).decode() for v in values)]
    logs = ["".join(random.choices(dressed, k=20)).encode() for _ in range(200)]
    few = [redactor.clean(log) for log in logs]
    monkeypatch.setattr(redaction, "MOST_LOOKED_FOR", 0)
    assert [redactor.clean(log) for log in logs] == few
    assert any(MASK in log for log in few)


def test_a_key_of_very_many_lines_is_taken_out_quickly() -> None:
    lines = ["".join(Random(n).choices(ascii_letters, k=40)) for n in range(3000)]
    redactor = Redactor(["\n".join(lines)])
    data = b"Dec  5 08:58:12 host something happened, as it often does\n" * 2000
    started = time.process_time()
    cleaned = redactor.clean(data + lines[2999].encode())
    assert time.process_time() - started < 2
    assert cleaned == data + MASK


def test_a_large_log_is_cleaned_quickly() -> None:
    secrets = [f"secret-number-{number}-{'x' * 20}" for number in range(40)]
    line = b"Dec  5 08:58:12 host cloud-init[1234]: something happened, as it often does\n"
    data = line * 14_000 + secrets[7].encode()
    redactor = Redactor(secrets)
    started = time.process_time()
    cleaned = redactor.clean(data)
    assert time.process_time() - started < 2
    assert cleaned == line * 14_000 + MASK
