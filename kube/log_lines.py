"""Of a container's log as the cluster gives it, those lines that were not read before. Pure."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

MOST_BYTES = 1024 * 1024
LONGEST_LINE = 64 * 1024
CUT = b" [the rest of this line was left out]"
STAMPED = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?(.*)", re.S)
Moment = tuple[float, int]


def parse_moment(text: str) -> Moment:
    """Of RFC 3339 with up to nine digits of a fraction, which may be left out: seconds, and
    nanoseconds. Raises ValueError."""
    offset = text[-6:] if text[-6] in "+-" else "+00:00"
    fraction = re.match(r"\.(\d{1,9})", text[19:])
    at = datetime.fromisoformat(f"{text[:19]}{offset}").timestamp()
    return at, int(fraction[1].ljust(9, "0")) if fraction else 0


def whole_second(text: str) -> str:
    """The same moment without its fraction; "" for none."""
    return re.sub(r"\.\d+", "", text)


@dataclass(kw_only=True)
class NewLines:
    """`moment` is that of the last line taken, as it was written ("" for none), and `lines` how
    many of that moment were. `data` are the new lines; `more`: there are others behind them."""

    moment: str
    lines: int
    data: bytearray = field(default_factory=bytearray)
    more: bool = False

    def take(self, pieces: Iterable[bytes], *, last: bool) -> None:
        """Up to MOST_BYTES. `last`: a line without its end is one as well."""
        seen, known = 0, parse_moment(self.moment) if self.moment else (0.0, 0)
        skip = self.lines
        for moment, at, text in _stamped(_lines(pieces, last=last)):
            if at < known:
                continue
            if at == known:
                seen += 1
                if seen <= skip:
                    continue
                self.lines = seen
            else:
                known, seen, skip = at, 1, 0
                self.moment, self.lines = moment, 1
            self.data += text + b"\n"
            if len(self.data) >= MOST_BYTES:
                self.more = True
                return


def _stamped(lines: Iterable[bytes]) -> Iterator[tuple[str, Moment, bytes]]:
    """What has no time is no line of the container: the node says something in its place."""
    for line in lines:
        found = STAMPED.fullmatch(line)
        with suppress(ValueError):
            if found:
                yield (moment := found[1].decode()), parse_moment(moment), found[2]


def _lines(pieces: Iterable[bytes], *, last: bool) -> Iterator[bytes]:
    """Never more in memory than a piece and the longest line."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from map(_shortened, whole)
        rest = rest[: LONGEST_LINE + 1]
    if rest and last:
        yield _shortened(rest)


def _shortened(line: bytes) -> bytes:
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + CUT
