from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from controlplane.console import logs
from controlplane.console.logs import _whole, readable
from dispatch.models import Assignment, LogChunk, LogStream
from dispatch.outcomes import Category
from tests.factories import make_assignment

HTMX = {"HX-Request": "true"}
database = pytest.mark.django_db


def stream(text: str | bytes, *, chunk: int = 7, ended: bool = False, **facts: Any) -> LogStream:
    data = text.encode() if isinstance(text, str) else text
    made = LogStream.objects.create(
        assignment=make_assignment(), name="test", length=len(data), **facts
    )
    for start in range(0, len(data), chunk):
        LogChunk.objects.create(stream=made, start=start, data=data[start : start + chunk])
    if ended:
        made.assignment.close(Category.PASSED)
        made.assignment.release()
        made.assignment.refresh_from_db()
    return made


def url(of: LogStream) -> str:
    return reverse("console:log", args=[of.assignment.task_id, 1, of.name])


# Text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[32mgreen\x1b[0m", "green"),
        (b"\x1b]0;title\x07shown", "shown"),
        (b"10 %\r20 %\r100 %\nnext", "100 %\nnext"),
        (b"dos\r\nlines\r\n", "dos\nlines\n"),
        (b"a\tb\x00c\x08", "a\tbc"),
        ("Grüße – 19 €".encode(), "Grüße – 19 €"),
        (b"bad \xff byte", "bad \ufffd byte"),
    ],
)
def test_terminal_codes_are_left_out(raw: bytes, text: str) -> None:
    assert readable(raw) == text


@given(st.text(min_size=1))
def test_a_character_that_is_cut_in_two_waits_for_its_rest(text: str) -> None:
    data = text.encode("utf-8", "ignore")
    for cut in range(len(data) + 1):
        head = _whole(data[:cut])
        assert data[:cut].startswith(head) and cut - len(head) <= 3
        assert head.decode() + data[len(head) :].decode() == data.decode()


# Pieces ---------------------------------------------------------------------------------------


@database
def test_a_piece_is_put_together_from_chunks() -> None:
    made = stream("0123456789" * 5)
    excerpt = logs.piece(made, 5, 20)
    assert (excerpt.text, excerpt.start, excerpt.end) == ("56789012345678901234", 5, 25)


@database
def test_the_tail_begins_with_a_whole_line() -> None:
    lines = "".join(f"line {number}\n" for number in range(20_000))
    made = stream(lines, chunk=100_000)
    excerpt = logs.tail(made)
    assert excerpt.text.startswith("line ") and excerpt.text.endswith("line 19999\n")
    assert len(excerpt.text) < logs.TAIL_BYTES and excerpt.start > 0


@database
def test_what_was_cut_out_of_a_long_log_is_told() -> None:
    made = stream("head67-", cut_from=7, cut_to=1000)
    LogChunk.objects.create(stream=made, start=1000, data=b"tail")
    LogStream.objects.filter(pk=made.pk).update(length=1004)
    made.refresh_from_db()
    text = logs.piece(made, 0, 2000).text
    assert text.startswith("head67-\n") and text.endswith("\ntail")
    assert "993 bytes were cut out here" in text


# Pages ----------------------------------------------------------------------------------------


@database
def test_the_page_shows_the_end_and_follows_while_it_grows(console: Client) -> None:
    made = stream("one\ntwo\n")
    page = console.get(reverse("console:task", args=[made.assignment.task_id])).content.decode()
    assert "one\ntwo\n" in page
    assert f"{url(made)}?offset=8" in page


@database
def test_following_gives_what_was_added_and_where_to_go_on(console: Client) -> None:
    made = stream("one\ntwo <b>\n", chunk=100)
    answer = console.get(url(made), {"offset": 4}, headers=HTMX).content.decode()
    assert answer.startswith("two &lt;b&gt;\n<span")
    assert f"{url(made)}?offset=12" in answer


@database
def test_following_ends_with_the_attempt(console: Client) -> None:
    made = stream("one\n", ended=True)
    answer = console.get(url(made), {"offset": 0}, headers=HTMX)
    assert answer.content == b"one\n"


@database
def test_half_a_character_at_the_end_is_shown_once_it_is_whole(console: Client) -> None:
    made = stream("19 €".encode()[:-1], chunk=100)
    first = console.get(url(made), {"offset": 0}, headers=HTMX).content.decode()
    assert first.startswith("19 <span") and "offset=3" in first
    LogChunk.objects.create(stream=made, start=5, data="€".encode()[-1:])
    LogStream.objects.filter(pk=made.pk).update(length=6)
    rest = console.get(url(made), {"offset": 3}, headers=HTMX).content.decode()
    assert rest.startswith("€<span") and "offset=6" in rest


@database
def test_the_whole_log_comes_as_plain_text(console: Client) -> None:
    made = stream("one\n<script>\n")
    answer = console.get(url(made))
    assert b"".join(answer.streaming_content) == b"one\n<script>\n"  # type: ignore[attr-defined]
    assert answer["Content-Type"] == "text/plain; charset=utf-8"


@database
@pytest.mark.parametrize("offset", ["", "-1", "x", "1e3", "9" * 30, "²"])
def test_an_offset_that_is_no_number_is_refused(console: Client, offset: str) -> None:
    made = stream("one\n")
    assert console.get(url(made), {"offset": offset}, headers=HTMX).status_code == 404


@database
def test_another_task_s_log_is_not_there(console: Client) -> None:
    made, other = stream("one\n"), make_assignment()
    wrong = reverse("console:log", args=[other.task_id, 1, made.name])
    assert console.get(wrong).status_code == 404
    assert Assignment.objects.count() == 2
