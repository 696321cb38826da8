"""What agents report is kept whole, in order and within bounds."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dispatch import reporting
from dispatch.models import Artifact, Assignment, LogChunk, LogStream, RefusedReport, ResultFile
from dispatch.outcomes import Category
from dispatch.redaction import Redactor
from dispatch.results import LARGEST_COUNT
from tests.dispatch.result_files import rspec
from tests.factories import make_assignment

NOTHING = Redactor()


def append(assignment: Assignment, data: bytes, **more: Any) -> bytes:
    more.setdefault("redactor", NOTHING)
    return reporting.append_log(assignment.pk, "system", data, **more).stored


def stored(assignment: Assignment) -> bytes:
    chunks = LogChunk.objects.filter(stream__assignment=assignment).order_by("start")
    return b"".join(bytes(data) for data in chunks.values_list("data", flat=True))


def stream_of(assignment: Assignment) -> LogStream:
    return LogStream.objects.get(assignment=assignment)


# Logs -----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_it_appends_in_order_of_arrival_without_gaps() -> None:
    assignment = make_assignment()
    for data in (b"one\n", b"", b"two\n", b"\xff\x00three\n"):
        append(assignment, data)
    assert stored(assignment) == b"one\ntwo\n\xff\x00three\n"
    chunks = LogChunk.objects.filter(stream__assignment=assignment).order_by("start")
    assert [chunk.start for chunk in chunks] == [0, 4, 8]
    assert (stream_of(assignment).length, stream_of(assignment).received) == (16, 16)


@pytest.mark.django_db
def test_it_counts_the_received_bytes_apart_from_the_redacted_ones() -> None:
    assignment = make_assignment()
    append(assignment, b"the secret-value\n", redactor=Redactor(["secret-value"]))
    assert stored(assignment) == b"the [REDACTED]\n"
    assert (stream_of(assignment).received, stream_of(assignment).length) == (17, 15)


@pytest.mark.django_db
def test_what_is_sent_again_is_not_stored_again() -> None:
    assignment = make_assignment()
    append(assignment, b"one\ntwo\n", offset=0)
    append(assignment, b"one\ntwo\n", offset=0)
    append(assignment, b"two\nthree\n", offset=4)
    assert stored(assignment) == b"one\ntwo\nthree\n"
    assert stream_of(assignment).received == 14


@pytest.mark.django_db
def test_after_a_lost_chunk_the_stream_goes_on() -> None:
    assignment = make_assignment()
    append(assignment, b"one\n", offset=0, gaps=True)
    append(assignment, b"three\n", offset=8, gaps=True)
    append(assignment, b"three\n", offset=8, gaps=True)
    assert stored(assignment) == b"one\nthree\n"


@pytest.mark.django_db(transaction=True)
def test_concurrent_posts_are_all_kept_whole() -> None:
    assignment = make_assignment()
    lines = [f"{number:04d} {'x' * 200}\n".encode() for number in range(120)]

    def post(line: bytes) -> None:
        try:
            append(assignment, line)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(post, lines))
    assert sorted(stored(assignment).splitlines(keepends=True)) == lines
    assert stream_of(assignment).length == sum(map(len, lines))


@pytest.mark.django_db
@pytest.mark.parametrize("sizes", [[1000] * 60, [60_000], [7, 9_000, 1, 50_000, 992], [333] * 181])
def test_beyond_the_cap_head_and_tail_are_kept(sizes: list[int], settings: Any) -> None:
    settings.LOG_CAP_BYTES = 10_000
    assignment = make_assignment()
    whole = b"".join(b"%09d\n" % number for number in range(7000))[: sum(sizes)]
    at = 0
    for size in sizes:
        append(assignment, whole[at : at + size])
        at += size
    stream = stream_of(assignment)
    assert stream.length == at
    assert (stream.cut_from, len(stored(assignment)) <= 10_000 + 1250) == (5000, True)
    assert stream.cut_to is not None and at - stream.cut_to >= 5000
    assert stored(assignment) == whole[:5000] + whole[stream.cut_to : at]


@pytest.mark.django_db
def test_a_stream_of_just_the_cap_is_whole(settings: Any) -> None:
    settings.LOG_CAP_BYTES = 10_000
    assignment = make_assignment()
    append(assignment, b"x" * 10_000)
    assert (stream_of(assignment).cut_from, len(stored(assignment))) == (None, 10_000)


@pytest.mark.django_db
def test_the_tail_is_read_over_the_borders_of_chunks() -> None:
    assignment = make_assignment()
    for number in range(50):
        append(assignment, b"%02d" % number)
    assert reporting.log_tail(assignment.pk, "system", 5).endswith(b"474849")
    assert reporting.log_tail(assignment.pk, "system", 10_000).startswith(b"000102")
    assert reporting.log_tail(assignment.pk, "test", 10) == b""


# Results --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_several_files_add_up_and_the_same_name_replaces() -> None:
    assignment = make_assignment()
    for name, failures in [("a.json", 1), ("b.json", 0), ("a.json", 0), ("dir/b.json", 2)]:
        reporting.store_results(assignment, name, rspec(failure_count=failures), redactor=NOTHING)
    totals = reporting.result_totals(assignment.pk)
    assert (totals.complete, totals.example_count, totals.failure_count) == (True, 4, 2)
    row = Assignment.by_id(assignment.pk)
    assert (row.example_count, row.failure_count) == (4, 2)


@pytest.mark.django_db
def test_one_broken_file_makes_all_of_it_incomplete() -> None:
    assignment = make_assignment()
    reporting.store_results(assignment, "a.json", rspec(), redactor=NOTHING)
    reporting.store_results(assignment, "b.json", b"", redactor=NOTHING)
    assert not reporting.result_totals(assignment.pk).complete


@pytest.mark.django_db
def test_without_any_file_the_results_are_not_complete() -> None:
    assert not reporting.result_totals(make_assignment().pk).complete


@pytest.mark.django_db
def test_results_after_the_end_are_shown_but_change_no_count() -> None:
    assignment = make_assignment()
    reporting.store_results(assignment, "a.json", rspec(), redactor=NOTHING)
    Assignment.by_id(assignment.pk).close(Category.PASSED)
    reporting.store_results(assignment, "a.json", rspec(failure_count=1), redactor=NOTHING)
    assert ResultFile.objects.get().failure_count == 1
    assert Assignment.by_id(assignment.pk).failure_count == 0


@pytest.mark.django_db
def test_results_over_their_cap_keep_their_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "LARGEST_RESULTS", 10)
    file = reporting.store_results(make_assignment(), "a.json", rspec(), redactor=NOTHING)
    assert (bytes(file.data), file.complete, file.example_count) == (b"", True, 2)


@pytest.mark.django_db
def test_there_may_only_be_so_many_results_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "MOST_RESULTS", 2)
    assignment = make_assignment()
    for name in ("a", "b", "a"):
        reporting.store_results(assignment, name, rspec(), redactor=NOTHING)
    with pytest.raises(reporting.TooMuch, match="2 results files"):
        reporting.store_results(assignment, "c", rspec(), redactor=NOTHING)


@pytest.mark.django_db
def test_results_files_may_only_have_so_many_bytes_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reporting, "LARGEST_RESULTS_TOGETHER", 2 * len(rspec()))
    assignment = make_assignment()
    for name in ("a", "b", "a"):
        reporting.store_results(assignment, name, rspec(), redactor=NOTHING)
    with pytest.raises(reporting.TooMuch, match="bytes together"):
        reporting.store_results(assignment, "c", rspec(), redactor=NOTHING)
    assert ResultFile.objects.count() == 2


@pytest.mark.django_db
def test_the_database_adds_up_however_many_files_there_are() -> None:
    """It is done for each file that comes: reading all of them each time would take minutes."""
    assignment = make_assignment()
    ResultFile.objects.bulk_create(
        ResultFile(assignment=assignment, name=f"{n}.xml", data=b"", complete=True, example_count=2)
        for n in range(reporting.MOST_RESULTS - 1)
    )
    with CaptureQueriesContext(connection) as queries:
        reporting.store_results(assignment, "last.xml", rspec(), redactor=NOTHING)
    assert Assignment.by_id(assignment.pk).example_count == 2 * reporting.MOST_RESULTS
    selects = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    reads = [sql for sql in selects if "COUNT(" not in sql and "SUM(" not in sql]
    assert all("last.xml" in sql for sql in reads)


@pytest.mark.django_db
def test_sums_end_at_what_a_count_can_hold() -> None:
    assignment = make_assignment()
    for name in ("a", "b"):
        data = rspec(example_count=LARGEST_COUNT)
        reporting.store_results(assignment, name, data, redactor=NOTHING)
    assert reporting.result_totals(assignment.pk).example_count == LARGEST_COUNT


# Artifacts and refused reports ----------------------------------------------------------------


@pytest.mark.parametrize(
    "name,safe",
    [
        ("failures_1.png", "failures_1.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\shot.png", "shot.png"),
        ("a\0b\nc.png", "a_b_c.png"),
        ("ünï.png", "ünï.png"),
        ("..", "default"),
        ("", "default"),
        ("dir/", "default"),
        ("x" * 500, "x" * 200),
    ],
)
def test_a_name_is_reduced_to_a_harmless_base_name(name: str, safe: str) -> None:
    assert reporting.safe_name(name, "default") == safe


@pytest.mark.django_db
def test_an_artifact_of_the_same_name_replaces() -> None:
    assignment = make_assignment()
    for data in (b"one", b"two"):
        reporting.store_artifact(assignment.pk, "shot.png", "image/png", data)
    artifact = Artifact.objects.get()
    assert (bytes(artifact.data), artifact.content_type) == (b"two", "image/png")


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["", "text/html; x", "nonsense", "a/b\nc", "image/" + "x" * 90])
def test_an_odd_content_type_is_no_type(kind: str) -> None:
    artifact = reporting.store_artifact(make_assignment().pk, "a", kind, b"")
    assert artifact.content_type == "application/octet-stream"


@pytest.mark.django_db
def test_artifacts_have_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "MOST_ARTIFACTS", 1)
    monkeypatch.setattr(reporting, "LARGEST_ARTIFACT", 5)
    assignment = make_assignment()
    reporting.store_artifact(assignment.pk, "a", "image/png", b"12345")
    with pytest.raises(reporting.TooMuch, match="5 bytes; this one has 6"):
        reporting.store_artifact(assignment.pk, "a", "image/png", b"123456")
    with pytest.raises(reporting.TooMuch, match="1 artifacts"):
        reporting.store_artifact(assignment.pk, "b", "image/png", b"1")


@pytest.mark.django_db
def test_refused_reports_are_kept_so_many_and_so_much_of_each() -> None:
    assignment = make_assignment()
    for _ in range(reporting.MOST_REFUSED + 5):
        reporting.keep_refused(assignment.pk, "k" * 99, "r" * 999, b"x" * 100_000)
    rows = list(RefusedReport.objects.filter(assignment=assignment))
    assert len(rows) == reporting.MOST_REFUSED
    assert {len(row.body) for row in rows} == {reporting.LARGEST_REFUSED}
