"""Logs for the eye: the end of a stream, and what was added to it since an offset."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from dispatch.models import LogStream
from dispatch.operators import OperatorRequest, operator_page

TAIL_BYTES = 64_000
STEP_BYTES = 256_000
MOST_INCOMPLETE_BYTES = 3
# Of 256 KiB at most: a log of any length is read with so many in memory.
CHUNKS_AT_ONCE = 4

# Colours and cursor movements of terminals, and control characters apart from tab and newline.
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """A piece of a stream: the text of the bytes from `start` to `end` of `length`."""

    stream: LogStream
    text: str
    start: int
    end: int

    @property
    def more(self) -> bool:
        return self.end < self.stream.length

    @property
    def growing(self) -> bool:
        return self.stream.assignment.released_at is None


def tail(stream: LogStream) -> Excerpt:
    """The end of the stream, from the beginning of a line on."""
    excerpt = piece(stream, max(0, stream.length - TAIL_BYTES), TAIL_BYTES)
    if not excerpt.start:
        return excerpt
    _, newline, rest = excerpt.text.partition("\n")
    return Excerpt(
        stream=stream, text=rest if newline else excerpt.text, start=excerpt.start, end=excerpt.end
    )


def piece(stream: LogStream, offset: int, limit: int) -> Excerpt:
    """At most `limit` bytes from `offset` on; a character that is cut in two waits for its
    rest."""
    data = b"".join(_bytes(stream, offset, offset + limit))
    end = min(offset + limit, stream.length)
    whole = data if end == stream.length and not _growing(stream) else _whole(data)
    return Excerpt(
        stream=stream, text=readable(whole), start=offset, end=end - len(data) + len(whole)
    )


def _growing(stream: LogStream) -> bool:
    return stream.assignment.released_at is None


def _bytes(stream: LogStream, start: int, end: int) -> Iterator[bytes]:
    """What is stored of [start, end), and a line that says so where something was cut out."""
    if stream.cut_from is not None and start <= stream.cut_from < end:
        cut = (stream.cut_to or stream.cut_from) - stream.cut_from
        notice = f"\n[... {cut:,} bytes were cut out here: the log is over its cap ...]\n"
    else:
        notice = ""
    first = stream.chunks.filter(start__lte=start).order_by("-start").first()
    chunks = stream.chunks.filter(start__gte=first.start if first else 0, start__lt=end)
    rows = chunks.order_by("start").values_list("start", "data")
    for at, data in rows.iterator(chunk_size=CHUNKS_AT_ONCE):
        if notice and at >= (stream.cut_to or 0):
            yield notice.encode()
            notice = ""
        yield bytes(memoryview(data)[max(0, start - at) : max(0, end - at)])


def _whole(data: bytes) -> bytes:
    """Without the first bytes of a character whose rest is not there yet."""
    for missing in range(1, min(MOST_INCOMPLETE_BYTES, len(data)) + 1):
        byte = data[-missing]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        wanted = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4
        return data[:-missing] if byte >= 0b1100_0000 and wanted > missing else data
    return data


def readable(data: bytes) -> str:
    """Text without terminal codes; of a line that was overwritten, what it said last."""
    text = ESCAPES.sub("", data.decode(errors="replace")).replace("\r\n", "\n")
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return CONTROLS.sub("", "\n".join(lines))


@require_GET
@operator_page
def log(request: OperatorRequest, task_id: UUID, number: int, name: str) -> HttpResponse:
    """For htmx what was added since `offset`; else the whole stream as plain text."""
    stream = get_object_or_404(
        LogStream.objects.select_related("assignment"),
        assignment__task_id=task_id, assignment__number=number, name=name,
    )  # fmt: skip
    if request.htmx:
        excerpt = piece(stream, _offset(request), STEP_BYTES)
        return render(request, "console/_log_more.html", {"excerpt": excerpt})
    return _download(stream)


def _offset(request: OperatorRequest) -> int:
    text = request.GET.get("offset", "")
    if not text.isdecimal() or len(text) > 15:
        raise Http404("offset: the number of bytes that are shown already")
    return int(text)


def _download(stream: LogStream) -> HttpResponse:
    response = StreamingHttpResponse(
        _bytes(stream, 0, stream.length), content_type="text/plain; charset=utf-8"
    )
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", stream.name)
    response["Content-Disposition"] = f'inline; filename="{stream.assignment_id}-{name}.txt"'
    return response  # type: ignore[return-value]
