"""Reading a container's log: what the log endpoint of the kubelet can be asked for.

Lines are kept as `TIME stdout F text`; P instead of F says that the text goes on.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.kubernetes.clock import parse_time

_PIECE = 64 * 1024
_LOOK_SECONDS = 0.1


class BadOption(Exception):
    """The message names the option."""


@dataclass(frozen=True, kw_only=True)
class Options:
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: float = 0.0


@dataclass(frozen=True)
class _Line:
    moment: bytes
    whole: bool
    text: bytes

    @property
    def time(self) -> float:
        seconds, _, rest = self.moment.decode().partition(".")
        return parse_time(f"{seconds}+00:00") + float(f"0.{rest.rstrip('Z') or 0}")


def parse(query: Mapping[str, str], now: float) -> Options:
    """From the query of /containerLogs. Raises BadOption."""
    since = 0.0
    try:
        if "sinceSeconds" in query:
            since = now - _positive(query, "sinceSeconds", 1)
        elif "sinceTime" in query:
            since = parse_time(query["sinceTime"])
    except ValueError:
        raise BadOption(f'invalid sinceTime: "{query["sinceTime"]}"') from None
    return Options(
        follow=_flag(query, "follow"),
        previous=_flag(query, "previous"),
        timestamps=_flag(query, "timestamps"),
        tail_lines=_positive(query, "tailLines", 0) if "tailLines" in query else None,
        limit_bytes=_positive(query, "limitBytes", 1) if "limitBytes" in query else None,
        since=since,
    )


def read(path: Path, options: Options, ended: Callable[[], bool]) -> Iterator[bytes]:
    """The log, in pieces; with `follow` until the container has `ended` and all was read."""
    left = options.limit_bytes
    for piece in _pieces(path, options, ended):
        if left is not None:
            piece = piece[:left]
            left -= len(piece)
        yield piece
        if left == 0:
            return


def tail_text(path: Path, *, lines: int, size: int) -> str:
    """The end of a log."""
    options = Options(tail_lines=lines)
    text = b"".join(read(path, options, lambda: True))
    return text[-size:].decode(errors="replace")


def _pieces(path: Path, options: Options, ended: Callable[[], bool]) -> Iterator[bytes]:
    offset = _start(path, options.tail_lines)
    begins = True  # whether the next text begins a line
    while True:
        last = not options.follow or ended()
        entries, offset = _entries(path, offset)
        shown = []
        for entry in entries:
            if not options.since or entry.time >= options.since:
                stamp = entry.moment + b" " if options.timestamps and begins else b""
                shown.append(stamp + entry.text + (b"\n" if entry.whole else b""))
            begins = entry.whole
        if shown:
            yield b"".join(shown)
        elif last:
            return
        else:
            # Nothing to send, but the reader may have gone: an empty piece lets that be noticed.
            yield b""
            time.sleep(_LOOK_SECONDS)


def _entries(path: Path, offset: int) -> tuple[list[_Line], int]:
    """The whole entries from `offset` on, and where the next one begins."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(_PIECE)
            while data and b"\n" not in data and (more := file.read(_PIECE)):
                data += more
    except FileNotFoundError:
        return [], offset
    complete = data[: data.rfind(b"\n") + 1]
    found = [_parse(line) for line in complete.split(b"\n")[:-1]]
    return found, offset + len(complete)


def _parse(line: bytes) -> _Line:
    moment, _, rest = line.partition(b" ")
    _, _, rest = rest.partition(b" ")
    tag, _, text = rest.partition(b" ")
    return _Line(moment, tag != b"P", text)


def _start(path: Path, tail_lines: int | None) -> int:
    """Where the last so many lines begin."""
    if tail_lines is None or not path.exists():
        return 0
    end = at = os.path.getsize(path)
    if tail_lines == 0:
        return end
    data, begins = b"", [0]
    with path.open("rb") as file:
        while at > 0 and len(begins) <= tail_lines + 1:
            at = max(0, at - _PIECE)
            file.seek(at)
            data = file.read(end - at)
            begins = _line_begins(data)
    return at + (begins[-tail_lines] if len(begins) >= tail_lines else 0)


def _line_begins(data: bytes) -> list[int]:
    """The offsets at which a line begins, that is, where the entry before was a whole one."""
    found, offset, begins = [], 0, True
    for line in data.split(b"\n")[:-1]:
        if begins:
            found.append(offset)
        begins = _parse(line).whole
        offset += len(line) + 1
    return found


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("true", "1")


def _positive(query: Mapping[str, str], name: str, least: int) -> int:
    text = query[name]
    if not text.isdigit() or int(text) < least:
        raise BadOption(
            f'{name}: Invalid value: "{text}": must be greater than or equal to {least}'
        )
    return int(text)
