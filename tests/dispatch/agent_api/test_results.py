"""Results files and artifacts: everything is kept, and what cannot be read says why."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dispatch import junit as junit_xml
from dispatch import reporting
from dispatch.models import Artifact, ResultFile
from tests.dispatch.agent_api.agent import (
    GREEN,
    cancelled,
    finished,
    make_agent,
    running,
    superseded,
    timed_out,
)
from tests.dispatch.result_files import junit, rspec

pytestmark = pytest.mark.django_db

FAILURE = '<failure message="no"/>'


def test_rspec_is_counted() -> None:
    agent = running()
    answer = agent.results(rspec(failure_count=1))
    assert (answer.status, answer.json) == (200, {"test_case_count": 2})
    row = agent.row
    assert (row.example_count, row.failure_count) == (2, 1)
    assert row.reported_at is not None
    file = ResultFile.objects.get()
    assert (file.name, bytes(file.data)) == ("rspec.json", rspec(failure_count=1))


@pytest.mark.parametrize("name", ["junit.xml", "report", "rspec.json"])
def test_junit_is_counted_by_what_it_is_and_not_by_its_name(name: str) -> None:
    agent = running()
    answer = agent.results(junit("", FAILURE, "<error/>", "<skipped/>"), name)
    assert (answer.status, answer.json) == (200, {"test_case_count": 4})
    file = ResultFile.objects.get()
    assert (file.example_count, file.failure_count, file.pending_count) == (4, 2, 1)
    assert agent.finish(0).json == {"state": "failed"}


def test_junit_passes_too() -> None:
    agent = running()
    agent.results(junit("", "<skipped/>"), "a.xml")
    assert agent.finish(0).json == {"state": "passed"}


def test_a_suite_of_errors_outside_of_its_cases_does_not_pass() -> None:
    agent = running()
    agent.results(junit("", attributes='errors="1"'), "a.xml")
    assert agent.finish(0).json == {"state": "failed"}
    assert "outside" in agent.row.sentence


def test_several_files_add_up_in_any_format() -> None:
    agent = running()
    agent.results(rspec(), "a.json")
    agent.results(junit("", FAILURE), "b.xml")
    assert (agent.row.example_count, agent.row.failure_count) == (4, 1)


def test_the_same_name_replaces() -> None:
    agent = running()
    agent.results(rspec(failure_count=2), "a.json")
    agent.results(rspec(), "a.json")
    assert (agent.row.example_count, agent.row.failure_count) == (2, 0)
    assert ResultFile.objects.count() == 1


BROKEN = [
    (b"", "empty"),
    (b"{", "cannot be read"),
    (GREEN[:-5], "cannot be read"),
    (b"[]", "no JSON object"),
    (b"{}", "summary"),
    (rspec(example_count=None), "summary.example_count"),
    (b"\x89PNG\r\n", "cannot be read"),
    (b"\xff\xfe\x00", "no XML"),
    (junit("")[:-3], "no XML"),
    (b"<html/>", "html"),
    (junit(attributes='failures="x"'), "failures="),
    (b"[" * 100_000, "nests too deeply"),
    (b'<!DOCTYPE x [<!ENTITY a "b">]><testsuite><testcase name="&a;"/></testsuite>', "entities"),
]


@pytest.mark.parametrize("data,says", BROKEN)
def test_what_cannot_be_read_is_kept_and_says_what_is_wrong(data: bytes, says: str) -> None:
    agent = running()
    answer = agent.results(data, "broken.json")
    assert (answer.status, answer.json["test_case_count"]) == (422, 0)
    assert answer.json["error"].startswith("broken.json is kept, but ")
    assert says in answer.json["error"]
    file = ResultFile.objects.get()
    assert (bytes(file.data), file.complete, file.name) == (data, False, "broken.json")
    assert agent.finish(0).json == {"state": "no_verdict"}


def test_one_broken_file_beside_a_good_one_is_no_pass() -> None:
    agent = running()
    agent.results(GREEN, "a.json")
    agent.results(b"{", "b.json")
    assert agent.finish(0).json == {"state": "no_verdict"}


def bomb(kinds: int) -> bytes:
    """Ten times the text before, so many times over."""
    entities = '<!ENTITY e0 "ha">' + "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, kinds)
    )
    return f"<!DOCTYPE x [{entities}]><testsuite name='&e{kinds - 1};'/>".encode()


def test_a_bomb_of_entities_is_not_set_off() -> None:
    answer = running().results(bomb(30), "bomb.xml")
    assert (answer.status, "entities" in answer.json["error"]) == (422, True)


def test_no_file_of_this_machine_gets_into_the_results(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of this machine")
    data = (
        f'<!DOCTYPE x [<!ENTITY a SYSTEM "{secret.as_uri()}">]>'
        "<testsuite><testcase name='&a;'/></testsuite>"
    ).encode()
    answer = running().results(data, "a.xml")
    assert answer.status == 422
    assert bytes(ResultFile.objects.get().data) == data


def test_results_over_the_cap_are_counted_where_they_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reporting, "LARGEST_RESULTS", 20)
    monkeypatch.setattr(junit_xml, "LARGEST", 20)
    agent = running()
    assert agent.results(GREEN, "a.json").json == {"test_case_count": 2}
    answer = agent.results(junit(""), "b.xml")
    assert (answer.status, "20 are read" in answer.json["error"]) == (422, True)


def test_there_may_only_be_so_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "MOST_RESULTS", 1)
    agent = running()
    assert [agent.results(GREEN, name).status for name in ("a", "b", "a")] == [200, 413, 200]


@pytest.mark.parametrize(
    "name,kept",
    [
        (None, "results"),
        ("", "results"),
        ("../../etc/passwd", "passwd"),
        ("a\\b.json", "b.json"),
        ("ünï.json".encode().decode("latin-1"), "ünï.json"),
        ("\xff\xfe.json", "��.json"),
        ("x" * 500, "x" * 200),
        ("<b>.json", "<b>.json"),
    ],
)
def test_a_name_is_a_harmless_base_name(name: str | None, kept: str) -> None:
    agent = running()
    assert agent.call("results", GREEN, X_Filename=name).status == 200
    assert ResultFile.objects.get().name == kept


@pytest.mark.parametrize("data", [GREEN, junit(FAILURE)])
def test_messages_are_free_of_secrets(data: bytes) -> None:
    agent = running(KEY="hunter2-long", KIND="passed")
    if data is GREEN:
        example = {"status": "passed", "exception": {"message": "got hunter2-long"}}
        summary = {"example_count": 1, "failure_count": 0}
        data = json.dumps({"examples": [example], "summary": summary}).encode()
    else:
        data = junit('<failure message="got hunter2-long">hunter2-long</failure>')
    assert agent.results(data).json == {"test_case_count": 1}
    kept = bytes(ResultFile.objects.get().data)
    assert b"hunter2" not in kept and b"[REDACTED]" in kept


def test_before_the_claim_there_are_no_results() -> None:
    agent = make_agent()
    assert (agent.results().status, agent.artifact(b"x").status) == (409, 409)
    assert not ResultFile.objects.exists() and not Artifact.objects.exists()


# Artifacts ------------------------------------------------------------------------------------


def test_an_artifact_is_kept_and_the_same_name_replaces() -> None:
    agent = running()
    for data in (b"one", b"two"):
        answer = agent.artifact(data, "dir/shot.png")
        assert (answer.status, answer.json) == (200, {"name": "shot.png"})
    artifact = Artifact.objects.get()
    assert (bytes(artifact.data), artifact.content_type) == (b"two", "image/png")


def test_artifacts_have_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "LARGEST_ARTIFACT", 5)
    monkeypatch.setattr(reporting, "LARGEST_ARTIFACTS", 8)
    monkeypatch.setattr(reporting, "MOST_ARTIFACTS", 2)
    agent = running()
    answer = agent.artifact(b"123456")
    assert (answer.status, "5 bytes" in answer.json["error"]) == (413, True)
    assert agent.artifact(b"12345", "a").status == 200
    answer = agent.artifact(b"1234", "b")
    assert (answer.status, "8 bytes together" in answer.json["error"]) == (413, True)
    assert agent.artifact(b"12345", "a").status == 200
    assert agent.artifact(b"123", "b").status == 200
    answer = agent.artifact(b"", "c")
    assert (answer.status, "2 artifacts" in answer.json["error"]) == (413, True)


@pytest.mark.parametrize(
    "kind,shown",
    [
        ("image/png", True),
        ("text/html", False),
        ("image/svg+xml", False),
        ("application/xhtml+xml", False),
        ("text/html; charset=utf-7", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_the_console_shows_pictures_and_nothing_that_could_run(
    kind: str, shown: bool, admin_client: Client
) -> None:
    agent = running()
    agent.artifact(b"<script>alert(1)</script>", 'a"\r\n<x>.png', kind)
    artifact = Artifact.objects.get()
    page = admin_client.get(reverse("console:artifact", args=[agent.task.pk, artifact.pk]))
    assert page.status_code == 200
    disposition = page["Content-Disposition"]
    assert disposition.startswith("inline" if shown else "attachment")
    assert set('"\r\n<>') & set(disposition.partition('filename="')[2][:-1]) == set()
    assert page["Content-Type"] == ("image/png" if shown else "application/octet-stream")
    assert page["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in page["Content-Security-Policy"]


# Late ones ------------------------------------------------------------------------------------


def test_after_its_own_finish_they_are_kept_for_display_and_decide_nothing() -> None:
    agent = finished()
    assert agent.results(rspec(failure_count=2), "late.json").status == 200
    assert agent.artifact(b"late").status == 200
    assert ResultFile.objects.filter(name="late.json").exists() and Artifact.objects.exists()
    assert (agent.row.category, agent.row.failure_count) == ("passed", 0)
    assert agent.task.state == "passed"


@pytest.mark.parametrize("state", [cancelled, superseded, timed_out])
def test_of_an_ended_assignment_they_are_refused(state: Any) -> None:
    agent = state()
    assert (agent.results().status, agent.artifact(b"x").status) == (409, 409)
    assert not ResultFile.objects.exists() and not Artifact.objects.exists()
    assert agent.row.reported_at is None
