from __future__ import annotations

from pathlib import Path

import pytest

from worker_image.switchyard_agent.redaction import Redactor
from worker_image.switchyard_agent.spool import LONGEST_LINE, Ring, Spool


def make(
    tmp_path: Path,
    cap_bytes: int = 1_000_000,
    secrets: tuple[str, ...] = (),
    *,
    keep: bool = False,
) -> Spool:
    return Spool(tmp_path / "log", cap_bytes=cap_bytes, redactor=Redactor(secrets), keep=keep)


def everything(spool: Spool) -> bytes:
    spool.close()
    data = b""
    while chunk := spool.read(len(data), 1000):
        data += chunk
    return data


def test_half_a_line_can_be_read_only_when_it_is_whole(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.write(b"one\ntw")
    assert spool.read(0, 1000) == b"one\n"
    spool.write(b"o\n")
    assert spool.read(4, 1000) == b"two\n"


def test_a_last_line_without_an_end_gets_one(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.write(b"one\ntwo")
    assert everything(spool) == b"one\ntwo\n"


def test_what_is_read_ends_with_a_line_wherever_there_is_one(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.write(b"one\ntwo\n" + b"x" * 50 + b"\n")
    assert spool.read(0, 6) == b"one\n"
    assert spool.read(8, 20) == b"x" * 20


def test_a_line_that_never_ends_goes_on_in_pieces_without_its_secrets(tmp_path: Path) -> None:
    spool = make(tmp_path, secrets=("secret-value",))
    for _ in range(3 * LONGEST_LINE // 26):
        spool.write(b".......secret-va")
        spool.write(b"lue.......")
    assert spool.size > LONGEST_LINE
    data = everything(spool)
    assert data.count(b"[REDACTED]") == 3 * LONGEST_LINE // 26
    assert data.strip(b".\n").replace(b"[REDACTED]", b"").strip(b".") == b""


def test_a_log_within_its_cap_is_whole(tmp_path: Path) -> None:
    spool = make(tmp_path, cap_bytes=10_000)
    lines = b"".join(b"line %d\n" % n for n in range(1000))
    assert 5_000 < len(lines) < 10_000
    for line in lines.splitlines(keepends=True):
        spool.write(line)
    assert everything(spool) == lines


def test_a_log_over_its_cap_keeps_head_and_tail_and_says_how_much_is_missing(
    tmp_path: Path,
) -> None:
    spool = make(tmp_path, cap_bytes=10_000)
    lines = [b"line %d\n" % n for n in range(5000)]
    for line in lines:
        spool.write(line)
    data = everything(spool)
    head, note, tail = data.partition(b" bytes are left out here: the log is over 10000 bytes]\n")
    head, _, missing = head.rpartition(b"[")
    assert note
    assert b"".join(lines).startswith(head) and len(head) > 4_900
    assert b"".join(lines).endswith(tail) and len(tail) > 4_900
    assert len(head) + int(missing) + len(tail) == len(b"".join(lines))


def test_a_short_line_after_the_head_is_full_does_not_overtake(tmp_path: Path) -> None:
    spool = make(tmp_path, cap_bytes=100)
    spool.write(b"a" * 40 + b"\n")
    spool.write(b"b" * 30 + b"\n")
    spool.line("c")
    assert everything(spool) == b"a" * 40 + b"\n" + b"b" * 30 + b"\nc\n"


def test_nothing_is_taken_after_the_end(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.line("one")
    spool.close()
    spool.line("two")
    assert everything(spool) == b"one\n"


def test_without_keep_it_begins_anew(tmp_path: Path) -> None:
    make(tmp_path, keep=True).line("old")
    assert everything(make(tmp_path)) == b""


@pytest.mark.parametrize("cap_bytes", [1_000_000, 4_000])
def test_a_kept_one_goes_on_at_any_moment_as_if_nothing_had_happened(
    tmp_path: Path, cap_bytes: int
) -> None:
    """The processes before are gone without a word; what they held back is taken again."""
    source = b"".join(b"line %d of the tests\n" % number for number in range(500)) + b"the end"
    spool = make(tmp_path, cap_bytes)
    spool.line("Begin")
    spool.write(source)
    undisturbed = everything(spool)
    folder = tmp_path / "kept"
    folder.mkdir()
    make(folder, cap_bytes, keep=True).line("Begin")
    for size in (10, 1, 333, 5_000, 64, 100_000):
        spool = make(folder, cap_bytes, keep=True)
        assert spool.resumed
        at = spool.taken("tests.log")
        spool.take("tests.log", source[at : at + size])
        spool.take("tests.log", source[at + size : at + 2 * size])
    assert spool.taken("tests.log") == len(source)
    assert everything(spool) == undisturbed
    assert everything(make(folder, cap_bytes, keep=True)) == undisturbed


def test_a_kept_one_never_takes_back_what_could_be_read(tmp_path: Path) -> None:
    spool = make(tmp_path, keep=True)
    spool.take("a.log", b"one\ntwo\nthr")
    spool.line("said meanwhile")
    readable = spool.read(0, 1000)
    spool = make(tmp_path, keep=True)
    assert spool.read(0, 1000) == readable
    assert spool.taken("a.log") == len(b"one\ntwo\n")


def test_a_state_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "log.state").write_text("{")
    spool = make(tmp_path, keep=True)
    assert (spool.size, spool.resumed) == (0, False)


@pytest.mark.parametrize("sizes", [(3,), (10,), (25,), (4, 4, 4), (9, 9, 9), (10, 1), (1, 10, 7)])
def test_a_ring_keeps_the_newest_lines(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    ring = Ring(tmp_path / "ring", 10)
    written = b""
    for number, size in enumerate(sizes):
        data = bytes([97 + number]) * (size - 1) + b"\n"
        ring.write(data)
        written += data
    missing, blocks = ring.newest_lines()
    kept = b"".join(blocks)
    assert kept == written[missing:]
    assert missing == 0 or len(kept) <= 10
