"""Results and screenshots: kept whatever they look like, and never an error of ours."""

import pytest

from dispatch import reporting
from dispatch.models import Artifact, Assignment, ResultFile, Task
from dispatch.outcomes import Category
from tests.droplets.protocol.agent import rspec, running, trailer

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "body", [b"", b"{", rspec(3)[:-1], b"null", b"[1]", b"\0", b"[" * 50_000, b"\xff" * 100]
)
def test_broken_results_are_kept_counted_as_nothing_and_decide_nothing(body: bytes) -> None:
    agent, assignment = running()
    agent.log(assignment.task_id, "test_output", trailer(0))
    answer = agent.results(assignment.task_id, body)
    assert (answer.status_code, answer.json()) == (200, {"test_case_run_count": 0})
    file = ResultFile.objects.get()
    assert (bytes(file.data), file.complete) == (body, False)
    row = Assignment.by_id(assignment.pk)
    assert row.live and row.reported_at is not None


def test_the_answer_counts_the_examples() -> None:
    agent, assignment = running()
    answer = agent.results(assignment.task_id, rspec(12, failures=2))
    assert answer.content == b'{"test_case_run_count": 12}'


def test_results_sent_again_replace_the_first() -> None:
    agent, assignment = running()
    agent.results(assignment.task_id, rspec(3, failures=1))
    agent.results(assignment.task_id, rspec(3))
    agent.log(assignment.task_id, "test_output", trailer(0))
    assert Assignment.by_id(assignment.pk).category == Category.PASSED


def test_results_without_a_name_get_one() -> None:
    agent, assignment = running()
    assert agent.report(assignment.task_id, "json_output", rspec(1)).status_code == 200
    assert ResultFile.objects.get().name == "json_output.json"


@pytest.mark.parametrize(
    "report,code,category",
    [
        (rspec(3), 0, Category.PASSED),
        (rspec(3), 1, Category.FAILED),
        (rspec(3, failures=1), 1, Category.FAILED),
        (rspec(3, failures=1), 0, Category.FAILED),
        (rspec(3, outside=1), 0, Category.FAILED),
        (rspec(0), 0, Category.FAILED),
        (rspec(3, statuses=["failed", "passed", "passed"]), 0, Category.FAILED),
    ],
)
def test_results_and_exit_code_decide(report: bytes, code: int, category: str) -> None:
    agent, assignment = running()
    agent.log(assignment.task_id, "test_output", trailer(code))
    agent.results(assignment.task_id, report)
    row = Assignment.by_id(assignment.pk)
    assert row.category == category
    assert Task.objects.get(pk=assignment.task_id).sentence == row.sentence != ""


@pytest.mark.parametrize("code,category", [(0, Category.PASSED), (1, Category.FAILED)])
def test_an_empty_surplus_shard_passes_if_its_agent_says_so(code: int, category: str) -> None:
    agent, assignment = running(order_index=3)
    agent.event(assignment.task_id, "shard_empty", detail="shard 3 of 4 has no test files")
    agent.log(assignment.task_id, "test_output", trailer(code))
    agent.results(assignment.task_id, rspec(0))
    assert Assignment.by_id(assignment.pk).category == category


@pytest.mark.parametrize("facts", [{"order_index": 1}, {"order_index": 2, "test_files": ["a.rb"]}])
def test_an_empty_shard_that_should_not_be_empty_fails(facts: dict[str, object]) -> None:
    agent, assignment = running(**facts)
    agent.event(assignment.task_id, "shard_empty")
    agent.log(assignment.task_id, "test_output", trailer(0))
    agent.results(assignment.task_id, rspec(0))
    assert Assignment.by_id(assignment.pk).category == Category.FAILED


def test_secrets_do_not_get_into_the_results() -> None:
    agent, assignment = running(env_vars={"KEY": 'k3y "value"'})
    body = rspec(1).replace(b'"status"', b'"exception": {"message": "k3y \\"value\\""}, "status"')
    agent.results(assignment.task_id, body)
    data = bytes(ResultFile.objects.get().data)
    assert b"k3y" not in data and b"[REDACTED]" in data


def test_a_screenshot_is_kept_under_its_base_name() -> None:
    agent, assignment = running()
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    headers = {"kind": "image/png", "X-Filename": "../fail%ures_1.png"}
    answer = agent.report(assignment.task_id, "test_failure_screenshots", png, **headers)
    assert (answer.status_code, answer.content) == (200, b"")
    artifact = Artifact.objects.get()
    assert (artifact.name, artifact.content_type) == ("fail%ures_1.png", "image/png")
    assert bytes(artifact.data) == png


def test_a_screenshots_name_may_be_utf_8() -> None:
    agent, assignment = running()
    name = "größe.png".encode().decode("latin-1")
    agent.report(assignment.task_id, "test_failure_screenshots", b"x", **{"X-Filename": name})
    assert Artifact.objects.get().name == "größe.png"


def test_a_screenshot_that_is_too_large_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reporting, "LARGEST_ARTIFACT", 10)
    agent, assignment = running()
    answer = agent.report(assignment.task_id, "test_failure_screenshots", b"x" * 11)
    assert (answer.status_code, b"may have 10 bytes" in answer.content) == (413, True)


def test_too_many_results_files_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "MOST_RESULTS", 1)
    agent, assignment = running()
    assert agent.results(assignment.task_id, rspec(1), "a.json").status_code == 200
    answer = agent.results(assignment.task_id, rspec(1), "b.json")
    assert (answer.status_code, b"1 results files" in answer.content) == (413, True)
