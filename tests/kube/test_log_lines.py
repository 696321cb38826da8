"""Each line of a log is taken once, however it is cut into pieces and read again."""

import pytest

from kube.log_lines import CUT, LONGEST_LINE, MOST_BYTES, NewLines, parse_moment

SECOND = "2026-01-01T12:00:"


def line(second: float, text: str) -> bytes:
    return f"{SECOND}{second:012.9f}Z {text}\n".encode()


LOG = b"".join(line(number / 4, f"line {number}") for number in range(40))


def read(
    data: bytes, moment: str = "", lines: int = 0, *, size: int = 7, last: bool = False
) -> NewLines:
    new = NewLines(moment=moment, lines=lines)
    new.take((data[at : at + size] for at in range(0, len(data), size)), last=last)
    return new


def texts(new: NewLines) -> list[str]:
    return bytes(new.data).decode().splitlines()


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_lines_come_without_their_times_however_they_are_cut(size: int) -> None:
    new = read(LOG, size=size)
    assert texts(new) == [f"line {number}" for number in range(40)]
    assert (new.moment, new.lines, new.more) == (f"{SECOND}09.750000000Z", 1, False)


@pytest.mark.parametrize("known", [1, 13, 39, 40])
def test_what_was_read_before_is_left_out(known: int) -> None:
    before = read(b"".join(LOG.splitlines(keepends=True)[:known]))
    again = read(LOG, before.moment, before.lines)
    assert texts(before) + texts(again) == [f"line {number}" for number in range(40)]


def test_lines_of_one_moment_are_counted() -> None:
    same = [line(1, text) for text in ("a", "b", "c")] + [line(2, "d")]
    for known in range(4):
        before = read(b"".join(same[:known]))
        again = read(b"".join(same), before.moment, before.lines)
        assert texts(before) + texts(again) == ["a", "b", "c", "d"]


def test_a_fraction_may_be_shorter_or_left_out_and_a_zone_another() -> None:
    moments = ["12:00:01Z", "12:00:01.5Z", "12:00:01.51Z", "14:00:02+02:00", "12:00:02.000000001Z"]
    parsed = [parse_moment(f"2026-01-01T{text}") for text in moments]
    assert parsed == sorted(parsed)
    assert len(set(parsed)) == 5


def test_a_line_that_is_not_complete_waits_unless_it_is_the_last() -> None:
    data = line(1, "whole") + b"2026-01-01T12:00:02.000000000Z half"
    assert texts(read(data)) == ["whole"]
    assert texts(read(data, last=True)) == ["whole", "half"]
    more = data + b" and half\n"
    before = read(data)
    assert texts(read(more, before.moment, before.lines)) == ["half and half"]


def test_an_empty_line_is_one() -> None:
    assert texts(read(line(1, "") + line(2, "x"))) == ["", "x"]


def test_what_has_no_time_is_not_of_the_container() -> None:
    said = b"unable to retrieve container logs for containerd://1\n9999-99-99T99:99:99Z x\n"
    assert texts(read(said + line(1, "x"))) == ["x"]


def test_an_endless_line_is_cut_and_the_next_one_whole() -> None:
    new = read(line(1, "x" * 10 * LONGEST_LINE) + line(2, "next"), size=50_000)
    first, second = texts(new)
    assert first.endswith(CUT.decode()) and len(first) <= LONGEST_LINE + len(CUT)
    assert second == "next"


def test_so_much_is_taken_at_once_and_the_rest_the_next_time() -> None:
    lines = [line(number, "x" * 60_000) for number in range(30)]
    first = read(b"".join(lines), size=64 * 1024)
    assert first.more and len(first.data) < MOST_BYTES + LONGEST_LINE
    second = read(b"".join(lines), first.moment, first.lines, size=64 * 1024)
    assert not second.more
    assert len(texts(first)) + len(texts(second)) == 30


def test_no_more_is_read_from_the_cluster_than_is_taken() -> None:
    asked = 0

    def pieces() -> object:
        nonlocal asked
        for number in range(1000):
            asked += 1
            yield line(number % 60, "x" * 60_000)

    NewLines(moment="", lines=0).take(pieces(), last=False)  # type: ignore[arg-type]
    assert asked < 20
