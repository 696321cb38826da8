import json
from typing import Any

import pytest
from pytest_django import Settings

from dispatch.models import Artifact, Assignment
from dispatch.outcomes import Category
from dispatch.redaction import Redactor
from dispatch.reporting import append_log, store_artifact, store_results
from tests.dispatch.api.calling import Answer, Api
from tests.dispatch.result_files import junit

NOTHING_SECRET = Redactor()


@pytest.fixture
def assignment(api: Api) -> Assignment:
    api.create()
    return Assignment.objects.select_related("task").get()


def read(api: Api, assignment: Assignment, stream: str = "test", **query: Any) -> Answer:
    return api.get(f"/api/v1/tasks/{assignment.task_id}/logs/{stream}", **query)


def append(assignment: Assignment, *pieces: bytes, stream: str = "test") -> None:
    for piece in pieces:
        append_log(assignment.pk, stream, piece, redactor=NOTHING_SECRET)


def follow(api: Api, assignment: Assignment, limit: int) -> bytes:
    """A whole log, read as a client does: from each next offset on."""
    found, offset = b"", 0
    while True:
        answer = read(api, assignment, offset=offset, limit=limit)
        assert answer.status == 200
        found += answer.content
        offset = int(answer.headers["log-next-offset"])
        if offset == int(answer.headers["log-length"]):
            return found


# Logs -----------------------------------------------------------------------------------------


def test_a_log_is_read_whole_or_from_an_offset(api: Api, assignment: Assignment) -> None:
    append(assignment, b"one\n", b"two\n", b"three\n")

    whole, rest = read(api, assignment), read(api, assignment, offset=6)

    assert whole.content == b"one\ntwo\nthree\n"
    assert whole.headers["content-type"] == "application/octet-stream"
    assert (whole.headers["log-offset"], whole.headers["log-next-offset"]) == ("0", "14")
    assert whole.headers["log-length"] == "14"
    assert (rest.content, rest.headers["log-offset"]) == (b"o\nthree\n", "6")


@pytest.mark.parametrize("limit", [1, 2, 5, 13, 1000])
def test_a_log_that_is_followed_comes_whole(api: Api, assignment: Assignment, limit: int) -> None:
    pieces = [b"line %d\n" % number for number in range(10)]
    append(assignment, *pieces)

    assert follow(api, assignment, limit) == b"".join(pieces)


def test_at_the_end_of_a_log_there_is_nothing_yet(api: Api, assignment: Assignment) -> None:
    append(assignment, b"one\n")

    end = read(api, assignment, offset=4)
    behind = read(api, assignment, offset=5)

    assert (end.status, end.content, end.headers["log-next-offset"]) == (200, b"", "4")
    assert (behind.status, list(behind.errors)) == (422, ["offset"])


def test_a_log_is_complete_once_its_attempt_is_released(api: Api, assignment: Assignment) -> None:
    append(assignment, b"one\n")
    assert read(api, assignment).headers["log-complete"] == "false"

    assignment.close(Category.PASSED)
    assert read(api, assignment).headers["log-complete"] == "false"
    assignment.release()

    assert read(api, assignment).headers["log-complete"] == "true"


def test_what_was_cut_out_of_a_log_is_passed_over(
    api: Api, assignment: Assignment, settings: Settings
) -> None:
    settings.LOG_CAP_BYTES = 1000
    lines = [b"%04d\n" % number for number in range(300)]
    append(assignment, *lines)
    written = b"".join(lines)

    listed = api.get(f"/api/v1/tasks/{assignment.task_id}/logs").json["streams"][0]
    cut_from, cut_to = listed["cut_from"], listed["cut_to"]
    inside = read(api, assignment, offset=cut_from + 1)

    assert 0 < cut_from < cut_to < listed["length"] == len(written)
    assert read(api, assignment).content == written[:cut_from]
    assert inside.content == written[cut_to:]
    assert inside.headers["log-offset"] == str(cut_to)
    assert follow(api, assignment, 77) == written[:cut_from] + written[cut_to:]


def test_logs_are_listed_for_every_attempt(api: Api, assignment: Assignment) -> None:
    append(assignment, b"first\n", stream="system")
    append(assignment, b"first test\n")
    assignment.close(Category.AGENT_LOST)
    second = Assignment.objects.get(number=2)
    append(second, b"second\n", stream="system")

    streams = api.get(f"/api/v1/tasks/{assignment.task_id}/logs").json["streams"]

    assert [(s["attempt"], s["name"], s["length"]) for s in streams] == [
        (1, "system", 6),
        (1, "test", 11),
        (2, "system", 7),
    ]
    assert [api.get(stream["url"]).content for stream in streams] == [
        b"first\n",
        b"first test\n",
        b"second\n",
    ]
    assert read(api, assignment, "system").content == b"second\n"
    assert read(api, assignment, "system", attempt=1).content == b"first\n"


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({}, 404, "stream"),
        ({"attempt": 9}, 404, "attempt"),
        ({"attempt": 0}, 422, "attempt"),
        ({"offset": -1}, 422, "offset"),
        ({"limit": 0}, 422, "limit"),
        ({"ofset": 1}, 422, "ofset"),
    ],
)
def test_a_log_that_is_not_there_is_told_so(
    api: Api, assignment: Assignment, query: dict[str, Any], status: int, field: str
) -> None:
    answer = read(api, assignment, "nothing", **query)

    assert (answer.status, list(answer.errors)) == (status, [field])


# Results --------------------------------------------------------------------------------------


def results(api: Api, assignment: Assignment, **query: Any) -> Any:
    answer = api.get(f"/api/v1/tasks/{assignment.task_id}/results", **query)
    assert answer.status == 200, answer.content
    return answer.json


RSPEC = {
    "examples": [
        {
            "id": "./spec/a_spec.rb[1:1]",
            "description": "adds",
            "full_description": "Sum adds",
            "status": "passed",
            "file_path": "./spec/a_spec.rb",
            "line_number": 3,
            "run_time": 0.25,
        },
        {
            "full_description": "Sum breaks",
            "status": "failed",
            "exception": {"class": "RuntimeError", "message": "oh \ud800 no"},
        },
    ],
    "summary": {
        "example_count": 2,
        "failure_count": 1,
        "pending_count": 0,
        "errors_outside_of_examples_count": 0,
    },
}


def test_results_have_their_summary_and_each_example(api: Api, assignment: Assignment) -> None:
    store_results(assignment, "a.json", json.dumps(RSPEC).encode(), redactor=NOTHING_SECRET)

    found = results(api, assignment)

    assert found["summary"] == {
        "complete": True,
        "example_count": 2,
        "failure_count": 1,
        "pending_count": 0,
        "errors_outside_count": 0,
        "exit_code": None,
    }
    assert found["examples"][0] == {
        "id": "./spec/a_spec.rb[1:1]",
        "description": "Sum adds",
        "status": "passed",
        "file_path": "./spec/a_spec.rb",
        "line_number": 3,
        "seconds": 0.25,
        "message": "",
    }
    failed = found["examples"][1]
    assert (failed["status"], failed["message"]) == ("failed", "oh ? no")
    assert (failed["line_number"], failed["seconds"]) == (None, None)
    assert [file["name"] for file in found["files"]] == ["a.json"]


def test_several_files_add_up(api: Api, assignment: Assignment) -> None:
    for name in ("a.json", "b.json"):
        store_results(assignment, name, json.dumps(RSPEC).encode(), redactor=NOTHING_SECRET)

    found = results(api, assignment)

    assert (found["summary"]["example_count"], len(found["examples"])) == (4, 4)


def test_junit_is_shown_as_rspec_is(api: Api, assignment: Assignment) -> None:
    data = junit("", '<failure message="oh no"/>')
    store_results(assignment, "a.xml", data, redactor=NOTHING_SECRET)

    found = results(api, assignment)

    assert (found["summary"]["example_count"], found["summary"]["failure_count"]) == (2, 1)
    assert found["examples"][1] == {
        "id": "Shop::case 2",
        "description": "Shop case 2",
        "status": "failed",
        "file_path": "",
        "line_number": None,
        "seconds": 0.25,
        "message": "oh no",
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"examples": 5}',
        b"<testsuite>",
        b'{"examples": [5, null, {"run_time": NaN, "line_number": "x", "status": 7}]}',
        b'{"examples": [{"run_time": 1e999, "exception": "x"}]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_results_that_cannot_be_read_are_shown_as_incomplete(
    api: Api, assignment: Assignment, data: bytes
) -> None:
    store_results(assignment, "a.json", data, redactor=NOTHING_SECRET)

    found = results(api, assignment)

    assert found["summary"]["complete"] is False
    assert found["files"][0]["complete"] is False


def test_without_any_results_there_is_an_empty_summary(api: Api, assignment: Assignment) -> None:
    found = results(api, assignment)

    assert (found["summary"]["complete"], found["examples"], found["files"]) == (False, [], [])
    assert results(api, assignment, attempt=1) == found
    missing = api.get(f"/api/v1/tasks/{assignment.task_id}/results", attempt=2)
    assert list(missing.errors) == ["attempt"]


def test_artifacts_are_listed_and_downloaded(api: Api, assignment: Assignment) -> None:
    picture = bytes(range(256))
    store_artifact(assignment.pk, "failure 1?#ü.png", "image/png", picture)

    [listed] = results(api, assignment)["artifacts"]
    answer = api.get(listed["url"])

    assert (listed["name"], listed["size"]) == ("failure 1?#ü.png", 256)
    assert (answer.content, answer.headers["content-type"]) == (picture, "image/png")


def test_an_artifact_is_never_shown_as_a_page_of_ours(api: Api, assignment: Assignment) -> None:
    page = b"<script>alert(1)</script>"
    Artifact.objects.create(
        assignment=assignment, name="a.html", content_type="text/html", data=page
    )

    answer = api.get(f"/api/v1/tasks/{assignment.task_id}/artifacts/a.html")

    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_an_artifact_that_is_not_there_is_told_so(api: Api, assignment: Assignment) -> None:
    answer = api.get(f"/api/v1/tasks/{assignment.task_id}/artifacts/a.png")

    assert (answer.status, list(answer.errors)) == (404, ["name"])
