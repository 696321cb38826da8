"""A log on its way: cleaned, in whole lines, in a file, never larger than its cap."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from .redaction import Redactor
from .spool_state import Found, Kept, SpoolState, Unkept

# A line longer than this goes on in pieces, so that memory stays bounded.
LONGEST_LINE = 64 * 1024
BLOCK = 256 * 1024


class Spool:
    """Takes raw bytes from one side and gives cleaned ones by offset to the other.

    Up to half of the cap is readable at once. What comes after that waits in a ring of the other
    half, which keeps the newest, until `close` appends it; where the ring ran over, a line says
    how much is missing. Any thread may write a `line`; only one may `write` or `take`.

    With `keep` it goes on where an earlier process left it: nothing that could be read is lost
    or changed by that, and `taken` tells from where files are to be taken on.
    """

    def __init__(
        self, path: Path, *, cap_bytes: int, redactor: Redactor, keep: bool = False
    ) -> None:
        self._path = path
        self._cap_bytes = cap_bytes
        self._redactor = redactor
        self._state: SpoolState = Kept(path.with_suffix(".state")) if keep else Unkept()
        found = self._state.read()
        self._file = _open(path, keep=keep)
        ring_bytes = cap_bytes - cap_bytes // 2
        self._tail = Ring(path.with_suffix(".tail"), ring_bytes, keep=keep, total=found.tail)
        self._head_is_full = found.head_is_full
        self._taken, self._settled = dict(found.taken), dict(found.taken)
        self._held, self._held_from = b"", ""
        self._lock = threading.Lock()
        self._end = found.size
        self.resumed = found.size > 0
        self.size = found.size
        self.closed = found.closed

    def taken(self, source: str) -> int:
        """How much of a file of this name has arrived here."""
        return self._taken.get(source, 0)

    def take(self, source: str, data: bytes) -> None:
        """`data` is what comes in the file after what was taken of it before."""
        self._taken[source] = self.taken(source) + len(data)
        self.write(data, source)

    def write(self, data: bytes, source: str = "") -> None:
        """Half a line is held back until the rest of it comes, or `close`."""
        held = self._held + data
        cut = held.rfind(b"\n") + 1
        if len(held) - cut > LONGEST_LINE:
            cut += self._redactor.safe_cut(held[cut:])
        self._held, self._held_from = held[cut:], source
        if cut:
            self._append(self._redactor.clean(held[:cut]), source)

    def line(self, text: str) -> None:
        self._append(self._redactor.clean_text(text.rstrip("\n")).encode() + b"\n")

    def end_line(self) -> None:
        """What is held back will not go on: makes a line of it."""
        if self._held:
            self.write(b"\n", self._held_from)

    def close(self) -> None:
        """Nothing is written after this; everything that was kept can be read."""
        if self.closed:
            return
        self.end_line()
        with self._lock:
            if self._tail.total:
                self._append_tail()
            self.closed = True
            self._publish()

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`, to the end of a line wherever there is one."""
        data = os.pread(self._file, max(0, min(size, self.size - offset)), offset)
        return data[: data.rfind(b"\n") + 1] or data

    def _append(self, cleaned: bytes, source: str = "") -> None:
        with self._lock:
            if self.closed:
                return
            room = self._cap_bytes // 2 - self._end
            if not self._head_is_full and len(cleaned) > room:
                fits = cleaned.rfind(b"\n", 0, room) + 1
                self._append_to_file(cleaned[:fits])
                cleaned, self._head_is_full = cleaned[fits:], True
            (self._tail.write if self._head_is_full else self._append_to_file)(cleaned)
            if source:
                self._settled[source] = self._taken[source] - len(self._held)
            self._publish()

    def _append_to_file(self, data: bytes) -> None:
        self._end += _write(self._file, data, self._end)

    def _append_tail(self) -> None:
        missing, blocks = self._tail.newest_lines()
        if missing:
            note = f"[{missing} bytes are left out here: the log is over {self._cap_bytes} bytes]\n"
            self._append_to_file(note.encode())
        for block in blocks:
            self._append_to_file(block)

    def _publish(self) -> None:
        """First what the next process has to know: what is held back it takes again."""
        self._state.write(
            Found(
                size=self._end,
                tail=self._tail.total,
                head_is_full=self._head_is_full,
                closed=self.closed,
                taken=self._settled,
            )
        )
        self.size = self._end


class Ring:
    """A file that keeps the newest `capacity` bytes of all that is written to it."""

    def __init__(self, path: Path, capacity: int, *, keep: bool = False, total: int = 0) -> None:
        self._file = _open(path, keep=keep)
        self._capacity = capacity
        self.total = total

    def write(self, data: bytes) -> None:
        self.total += len(data)
        data = data[-self._capacity :]
        at = (self.total - len(data)) % self._capacity
        fits = self._capacity - at
        _write(self._file, data[:fits], at)
        _write(self._file, data[fits:], 0)

    def newest_lines(self) -> tuple[int, Iterator[bytes]]:
        """How many bytes are not there any more, and the rest, beginning with a whole line."""
        start = max(0, self.total - self._capacity)
        if start:
            start = self._next_line(start)
        return start, self._blocks(start)

    def _next_line(self, start: int) -> int:
        at = start
        for block in self._blocks(start):
            if b"\n" in block:
                return at + block.index(b"\n") + 1
            at += len(block)
        return start

    def _blocks(self, start: int) -> Iterator[bytes]:
        while start < self.total:
            at = start % self._capacity
            wanted = min(BLOCK, self._capacity - at, self.total - start)
            block = os.pread(self._file, wanted, at)
            start += wanted
            yield block


def _open(path: Path, *, keep: bool) -> int:
    """A descriptor without a buffer: what a full disk refuses is not tried again later."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    return os.open(path, flags if keep else flags | os.O_TRUNC, 0o600)


def _write(file: int, data: bytes, at: int) -> int:
    """How much was written. A full disk costs lines of the log, not the run."""
    written = 0
    try:
        while written < len(data):
            written += os.pwrite(file, data[written:], at + written)
    except OSError as error:
        print(f"A log loses {len(data) - written} bytes: {error}", file=sys.stderr, flush=True)
    return written
