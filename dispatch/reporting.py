"""Keeps what agents report: logs, results, artifacts, and the reports that were refused.

The callers have checked who reports and whether it may be taken; what comes in here is stored.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Length

from dispatch.models import Artifact, Assignment, LogChunk, LogStream, RefusedReport, ResultFile
from dispatch.redaction import Redactor, clean_results
from dispatch.results import LARGEST_COUNT, Counts, counts_of

LARGEST_CHUNK = 256 * 1024
MOST_STREAMS = 60
LARGEST_RESULTS = 50 * 1024 * 1024
# Suites of JUnit write a file for each class.
MOST_RESULTS = 2000
LARGEST_RESULTS_TOGETHER = 200_000_000
COUNTED = ("example_count", "failure_count", "pending_count", "errors_outside_count")
LARGEST_ARTIFACT = 20_000_000
MOST_ARTIFACTS = 200
LARGEST_ARTIFACTS = 500_000_000
LARGEST_REFUSED = 64 * 1024
MOST_REFUSED = 20
LONGEST_NAME = 200


class Gap(Exception):
    """Log bytes are missing before the offset; `received` is how many came so far."""

    def __init__(self, received: int) -> None:
        super().__init__(f"only {received} bytes came before")
        self.received = received


class TooMuch(Exception):
    """A report is over its cap; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Appended:
    """`stored` is what was added to the stream, cleaned; `received` counts the raw bytes that came
    of it by now."""

    stored: bytes
    received: int


# Logs -----------------------------------------------------------------------------------------


def append_log(
    assignment_id: UUID,
    name: str,
    data: bytes,
    *,
    redactor: Redactor,
    offset: int | None = None,
    gaps: bool = False,
    end: bool = False,
) -> Appended:
    """Append to a stream, in order of arrival, in one transaction that locks the stream's row.

    `offset` counts the raw bytes that the agent sent before these: what came before is not
    stored again; where some are missing Gap is raised, unless `gaps` may be. `end`: nothing
    follows, so that a last line without its end is one. Beyond `settings.LOG_CAP_BYTES` the head
    and the tail are kept. Raises TooMuch where there are too many streams.
    """
    with transaction.atomic():
        stream = _locked(assignment_id, name)
        if offset is not None and offset > stream.received:
            if not gaps:
                raise Gap(stream.received)
            stream.received = offset
        if offset is not None:
            data = data[stream.received - offset :]
        cut_off = end and data != b"" and not data.endswith(b"\n")
        cleaned = redactor.clean_line_end(data) + b"\n" if cut_off else redactor.clean(data)
        start, stream.length = stream.length, stream.length + len(cleaned)
        stream.received += len(data)
        _store(stream, start, cleaned)
        stream.save(update_fields=["received", "length", "cut_from", "cut_to"])
    return Appended(stored=cleaned, received=stream.received)


def _locked(assignment_id: UUID, name: str) -> LogStream:
    """The stream's row, made if need be. Only an UPDATE locks it on every database."""
    rows = LogStream.objects.filter(assignment_id=assignment_id, name=name)
    if not rows.update(length=F("length")):
        if LogStream.objects.filter(assignment_id=assignment_id).count() >= MOST_STREAMS:
            raise TooMuch(f"an Assignment may have {MOST_STREAMS} log streams")
        stream = LogStream(assignment_id=assignment_id, name=name)
        LogStream.objects.bulk_create([stream], ignore_conflicts=True)
        rows.update(length=F("length"))
    return rows.get()


def _store(stream: LogStream, start: int, data: bytes) -> None:
    cap = settings.LOG_CAP_BYTES
    head, tail_from = cap // 2, stream.length - (cap - cap // 2)
    over = stream.length > cap or stream.cut_from is not None
    chunks = [
        LogChunk(stream=stream, start=at, data=piece)
        for at, piece in _pieces(start, data, head)
        if not (over and at >= head and at + len(piece) <= tail_from)
    ]
    LogChunk.objects.bulk_create(chunks)
    if over:
        _cut(stream, head, tail_from)


def _pieces(start: int, data: bytes, head: int) -> Iterator[tuple[int, bytes]]:
    """Small enough to be read alone, and none reaching over the end of the head."""
    size = max(1, min(LARGEST_CHUNK, settings.LOG_CAP_BYTES // 8))
    at = 0
    while at < len(data):
        room = head - (start + at)
        end = at + (min(size, room) if room > 0 else size)
        yield start + at, data[at:end]
        at = end


def _cut(stream: LogStream, head: int, tail_from: int) -> None:
    """Forget what lies between head and tail; the tail begins with a whole chunk."""
    behind = LogChunk.objects.filter(stream=stream, start__gte=head)
    first = behind.filter(start__lte=tail_from).aggregate(start=Max("start"))["start"]
    if first is not None:
        behind.filter(start__lt=first).delete()
        stream.cut_from, stream.cut_to = head, first


def log_tail(assignment_id: UUID, name: str, size: int) -> bytes:
    """The last bytes of a stream, at least `size` of them where there are as many."""
    rows = LogChunk.objects.filter(stream__assignment_id=assignment_id, stream__name=name)
    found = b""
    for chunk in rows.order_by("-start").values_list("data", flat=True).iterator(chunk_size=8):
        found = bytes(chunk) + found
        if len(found) >= size:
            break
    return found


# Results --------------------------------------------------------------------------------------


def store_results(
    assignment: Assignment, name: str, data: bytes, *, redactor: Redactor
) -> ResultFile:
    """Keep a results file; the same name replaces, several add up. While the Assignment is live
    its counts follow. Of a file that is too large only the counts are kept. Raises TooMuch."""
    counts, name = counts_of(data), safe_name(name, "results.json")
    others = ResultFile.objects.filter(assignment_id=assignment.pk).exclude(name=name)
    stored = others.aggregate(files=Count("pk"), size=Sum(Length("data"), default=0))
    if stored["files"] >= MOST_RESULTS:
        raise TooMuch(f"an Assignment may have {MOST_RESULTS} results files")
    kept = clean_results(redactor, data) if len(data) <= LARGEST_RESULTS else b""
    if stored["size"] + len(kept) > LARGEST_RESULTS_TOGETHER:
        together = f"{LARGEST_RESULTS_TOGETHER} bytes together"
        raise TooMuch(f"the results files of an Assignment may have {together}")
    with transaction.atomic():
        file, _ = ResultFile.objects.update_or_create(
            assignment_id=assignment.pk, name=name, defaults={"data": kept, **vars(counts)}
        )
        _add_up(assignment.pk)
    return file


def _add_up(assignment_id: UUID) -> None:
    totals = result_totals(assignment_id)
    live = Assignment.objects.filter(pk=assignment_id, closed_at=None)
    live.update(example_count=totals.example_count, failure_count=totals.failure_count)


def result_totals(assignment_id: UUID) -> Counts:
    """All results files together; not complete without any. Added up by the database: it is done
    anew for each of up to MOST_RESULTS files."""
    sums = {name: Sum(name, default=0) for name in COUNTED}
    found = ResultFile.objects.filter(assignment_id=assignment_id).aggregate(
        files=Count("pk"), broken=Count("pk", filter=Q(complete=False)), **sums
    )
    return Counts(
        complete=found["files"] > 0 and found["broken"] == 0,
        **{name: min(found[name], LARGEST_COUNT) for name in COUNTED},
    )


# Artifacts and refused reports ----------------------------------------------------------------


def store_artifact(assignment_id: UUID, name: str, content_type: str, data: bytes) -> Artifact:
    """Keep a file for display; the same name replaces. Raises TooMuch."""
    if len(data) > LARGEST_ARTIFACT:
        raise TooMuch(f"an artifact may have {LARGEST_ARTIFACT} bytes; this one has {len(data)}")
    name = safe_name(name, "artifact")
    others = Artifact.objects.filter(assignment_id=assignment_id).exclude(name=name)
    if others.count() >= MOST_ARTIFACTS:
        raise TooMuch(f"an Assignment may have {MOST_ARTIFACTS} artifacts")
    stored = others.aggregate(size=Sum(Length("data")))["size"] or 0
    if stored + len(data) > LARGEST_ARTIFACTS:
        raise TooMuch(f"the artifacts of an Assignment may have {LARGEST_ARTIFACTS} bytes together")
    kind = content_type if re.fullmatch(r"[\w.+-]{1,50}/[\w.+-]{1,49}", content_type) else ""
    artifact, _ = Artifact.objects.update_or_create(
        assignment_id=assignment_id,
        name=name,
        defaults={"content_type": kind or "application/octet-stream", "data": data},
    )
    return artifact


def safe_name(name: str, default: str) -> str:
    """The base name alone, printable and of a bounded length."""
    base = re.split(r"[/\\]", name)[-1]
    base = "".join(character if character.isprintable() else "_" for character in base)
    return default if base.strip(". ") == "" else base[:LONGEST_NAME]


def keep_refused(assignment_id: UUID, kind: str, reason: str, body: bytes) -> None:
    """Keep a report that changes nothing, for diagnosis: so many of them, and so much of each."""
    rows = RefusedReport.objects.filter(assignment_id=assignment_id)
    if rows.count() < MOST_REFUSED:
        RefusedReport.objects.create(
            assignment_id=assignment_id,
            kind=kind[:60],
            reason=reason[:200],
            body=body[:LARGEST_REFUSED],
        )
