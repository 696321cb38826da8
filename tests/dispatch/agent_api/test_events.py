"""What an agent tells about its progress, and what every word means."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from dispatch import encryption, wake
from dispatch.agent_api import views
from dispatch.models import Assignment, SuiteRun, TaskEvent, Webhook
from dispatch.outcomes import OUTCOMES, Again, Category, TaskState
from dispatch.verdict import SHARD_EMPTY, SPOKEN_ENDS
from tests.dispatch.agent_api.agent import EMPTY, Agent, make_agent, running
from tests.dispatch.hooks import SECRET
from tests.factories import make_assignment, make_client, make_suite_run
from worker_image.switchyard_agent import errors
from worker_image.switchyard_agent.job.report import EVENTS

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[3]


def told(agent: Agent) -> list[tuple[str, dict[str, Any]]]:
    rows = TaskEvent.objects.filter(assignment=agent.assignment, agent_seq__isnull=False)
    return [(row.kind, row.detail) for row in rows.order_by("seq")]


def test_an_event_is_kept_with_both_times() -> None:
    agent, before = running(), timezone.now()
    answer = agent.event(3, "cloned", "fine", at="2001-02-03T04:05:06.789+00:00")
    assert (answer.status, answer.json) == (200, {"seq": 3})
    detail = {"seq": 3, "at": "2001-02-03T04:05:06.789000+00:00", "detail": "fine"}
    assert told(agent) == [("agent.cloned", detail)]
    row = TaskEvent.objects.get(kind="agent.cloned")
    assert row.at >= before
    assert agent.row.cloned_at is not None and agent.row.cloned_at >= before


def test_a_number_seen_before_changes_nothing() -> None:
    agent = running()
    agent.event(1, "cloned", "first")
    cloned_at = agent.row.cloned_at
    for kind in ("cloned", "tests_started"):
        assert agent.event(1, kind, "again").status == 200
    assert [kind for kind, _ in told(agent)] == ["agent.cloned"]
    assert agent.row.cloned_at == cloned_at


def test_the_build_of_one_that_runs_the_image_of_another_ends_with_its_clone() -> None:
    own, others = running(), running()
    Assignment.objects.filter(pk=others.assignment.pk).update(image_from=own.assignment.pk)
    for agent in (own, others):
        agent.event(1, "cloned")
    assert own.row.built_at is None
    built = others.row.built_at
    assert built and others.row.cloned_at and built >= others.row.cloned_at


def test_the_build_of_one_whose_agent_is_quicker_than_its_placing_ends_too() -> None:
    agent, builder = running(), running()
    rows = Assignment.objects.filter(pk=agent.assignment.pk)
    rows.update(external_id=None, placed_at=None)
    agent.event(1, "cloned")
    assert agent.row.built_at is None
    assert agent.row.place("its Job", image_from=builder.assignment.pk)
    assert agent.row.built_at is not None


def test_the_digest_of_an_image_is_kept_whole_though_a_secret_looks_like_a_part_of_it() -> None:
    agent = running(PIN="abcd")
    digest = "sha256:" + "abcd" * 16
    agent.event(1, "build_finished", digest)
    agent.event(2, "own.note", digest)
    details = [detail["detail"] for _, detail in told(agent)]
    assert details[0] == digest
    assert "abcd" not in details[1]


def test_who_may_wait_for_an_image_is_woken_once_it_is_built(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(wake, "_send_now", sent.append)
    agent = running()
    with django_capture_on_commit_callbacks(execute=True):
        for seq in (1, 2):
            agent.event(seq, "build_finished", "sha256:0")
    assert sent == ["built"]


def test_the_order_is_checked_leniently() -> None:
    agent = running()
    for seq, kind in [(9, "tests_started"), (2, "cloned"), (7, "services_ready"), (5, "own.note")]:
        assert agent.event(seq, kind).status == 200
    row = agent.row
    assert row.tests_started_at and row.cloned_at and row.services_ready_at
    assert row.built_at is None
    assert len(told(agent)) == 4


@pytest.mark.parametrize(
    "kind,column",
    [
        ("cloned", "cloned_at"),
        ("build_finished", "built_at"),
        ("services_ready", "services_ready_at"),
        ("tests_started", "tests_started_at"),
    ],
)
def test_a_phase_has_the_time_of_its_first_report(kind: str, column: str) -> None:
    agent = running()
    agent.event(1, kind)
    first = getattr(agent.row, column)
    agent.event(2, kind)
    assert first is not None and getattr(agent.row, column) == first


@pytest.mark.parametrize("at", ["", None, "yesterday", "2026-13-01", "x" * 5000])
def test_a_time_that_is_none_is_left_out(at: Any) -> None:
    agent = running()
    assert agent.event(1, "cloned", at=at).status == 200
    assert told(agent)[0][1]["at"] == ""


@pytest.mark.parametrize(
    "body,field",
    [
        ({}, "seq"),
        ({"seq": -1, "type": "cloned"}, "seq"),
        ({"seq": True, "type": "cloned"}, "seq"),
        ({"seq": "1", "type": "cloned"}, "seq"),
        ({"seq": 1.0, "type": "cloned"}, "seq"),
        ({"seq": 2**31, "type": "cloned"}, "seq"),
        ({"seq": 1}, "type"),
        ({"seq": 1, "type": ""}, "type"),
        ({"seq": 1, "type": ["cloned"]}, "type"),
        ({"seq": 1, "type": "Cloned"}, "type"),
        ({"seq": 1, "type": "cloned\n"}, "type"),
        ({"seq": 1, "type": "x" * 51}, "type"),
        ({"seq": 1, "type": "cloned", "detail": {"a": 1}}, "detail"),
        ({"seq": 1, "type": "cloned", "detail": 7}, "detail"),
        ({"seq": 1, "type": "cloned", "at": 7}, "at"),
        ({"seq": 1, "type": "examples_counted", "detail": "many"}, "detail"),
        ({"seq": 1, "type": "examples_counted", "detail": "-1"}, "detail"),
        ({"seq": 1, "type": "examples_counted", "detail": str(2**31)}, "detail"),
        ({"seq": 1, "type": "examples_counted"}, "detail"),
    ],
)
def test_an_event_of_another_shape_is_refused_and_changes_nothing(body: Any, field: str) -> None:
    agent = running()
    answer = agent.call("events", body)
    assert (answer.status, answer.json["error"].partition(":")[0]) == (400, field)
    assert told(agent) == []


def test_before_the_claim_nothing_is_taken() -> None:
    agent = make_agent()
    assert agent.event(1, "cloned").status == 409
    assert (told(agent), agent.row.cloned_at) == ([], None)


def test_a_detail_is_free_of_secrets_and_bounded() -> None:
    agent = running(KEY="hunter2-long")
    agent.event(1, "note", f"key hunter2-long token {agent_token(agent)} " + "x" * 5000)
    detail = told(agent)[0][1]["detail"]
    assert detail.startswith("key [REDACTED] token [REDACTED] xxx") and len(detail) == 2000


def agent_token(agent: Agent) -> str:
    from dispatch import tokens

    return tokens.derive("assignment", agent.assignment.pk)


def test_there_may_only_be_so_many_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MOST_EVENTS", 3)
    agent = running()
    assert [agent.event(seq, "note").status for seq in (1, 2, 3, 4, 2)] == [200] * 3 + [413, 200]
    assert len(told(agent)) == 3


def test_an_event_is_a_sign_of_life() -> None:
    agent = running()
    long_ago = timezone.now() - timedelta(minutes=5)
    Assignment.objects.filter(pk=agent.assignment.pk).update(heard_at=long_ago)
    agent.event(1, "note")
    assert agent.row.heard_at is not None and agent.row.heard_at > long_ago


# The number of examples -----------------------------------------------------------------------


def test_the_number_of_examples_is_kept_and_rails_hears_of_it_once() -> None:
    client = make_client(
        "hooked", webhook_url="http://127.0.0.1:9/x", webhook_secret=encryption.encrypt(SECRET)
    )
    suite_run = make_suite_run()
    agents = [running(make_assignment(suite_run, client=client)) for _ in range(2)]
    for agent in agents:
        assert agent.event(7, "examples_counted", "120").status == 200
        assert agent.event(7, "examples_counted", "120").status == 200
    assert SuiteRun.objects.get(pk=suite_run.pk).dry_run_example_count == 120
    hook = Webhook.objects.get(kind="suite_run.updated")
    assert hook.payload["data"]["detail"] == {"dry_run_example_count": 120}


def test_a_number_of_examples_that_is_also_a_secret_is_kept_all_the_same() -> None:
    agent = running(PORT="12345")
    assert agent.event(1, "examples_counted", "12345").status == 200
    assert SuiteRun.objects.get().dry_run_example_count == 12345
    assert told(agent)[0][1]["detail"] == "[REDACTED]"


# What the words mean --------------------------------------------------------------------------

# Each of these ends the attempt, once the finish follows.
ENDS = {
    "timed_out": (Category.TIMEOUT, TaskState.FAILED),
    "test_oom": (Category.TEST_OOM, TaskState.QUEUED),
    "build_oom": (Category.BUILD_OOM, TaskState.QUEUED),
    "clone_failed": (Category.NO_VERDICT, TaskState.QUEUED),
    "build_failed": (Category.BUILD_FAILED, TaskState.FAILED),
    "pre_script_failed": (Category.PRE_SCRIPT_FAILED, TaskState.FAILED),
    "service_failed": (Category.SERVICE_FAILED, TaskState.FAILED),
    "agent_error": (Category.NO_VERDICT, TaskState.QUEUED),
}
# These are shown in the Task's story and decide nothing: after `build_ended` the agent makes no
# final report, because the cluster tells better why its builder ended.
NOTES = {
    "build_started",
    "pre_script_started",
    "pre_script_finished",
    "tests_finished",
    "build_ended",
}


def test_every_word_that_the_agent_says_has_a_meaning() -> None:
    meanings = {*views.PHASES, views.EXAMPLES_COUNTED, SHARD_EMPTY, *SPOKEN_ENDS, *NOTES}
    assert set(EVENTS) - meanings == set()
    assert set(ENDS) == set(SPOKEN_ENDS)


def test_the_agent_has_the_same_words_for_an_end_on_both_backends() -> None:
    steps: list[type[errors.StepFailed]] = [
        errors.StepFailed,
        *errors.StepFailed.__subclasses__(),
    ]
    spoken = {step.event for step in steps if step.event}
    assert {*spoken, "timed_out"} <= set(SPOKEN_ENDS)
    assert "build_failed" in spoken


@pytest.mark.parametrize("word", ENDS)
def test_an_end_that_the_agent_tells_is_the_outcome(word: str) -> None:
    category, state = ENDS[word]
    agent = running()
    agent.event(1, word, "because of this")
    assert agent.row.live, "an end counts with the final report only"
    assert agent.finish(None).json == {"state": category}
    assert agent.task.state == state
    assert agent.row.sentence == (f"{OUTCOMES[category].sentence} The agent says: because of this")


@pytest.mark.parametrize("word", ["test_oom", "build_oom"])
def test_out_of_memory_is_tried_once_in_a_larger_class(word: str) -> None:
    assert OUTCOMES[ENDS[word][0]].again == Again.LARGER
    agent = running()
    agent.event(1, word)
    agent.finish(None)
    second = Assignment.objects.select_related("task__suite_run").get(number=2)
    assert second.size_class == agent.row.size_class + 1
    other = Agent(second)
    other.claim()
    other.event(1, word)
    other.finish(None)
    assert agent.task.state == TaskState.FAILED


@pytest.mark.parametrize("word", ENDS)
def test_an_end_rules_over_green_results(word: str) -> None:
    agent = running()
    agent.event(1, word)
    agent.results()
    assert agent.finish(0).json == {"state": ENDS[word][0]}


@pytest.mark.parametrize("word", sorted(NOTES | set(views.PHASES)))
def test_progress_alone_decides_nothing(word: str) -> None:
    agent = running()
    agent.event(1, word, "something")
    assert agent.row.live
    agent.results()
    assert agent.finish(0).json == {"state": "passed"}


def test_a_surplus_shard_passes_with_no_examples_when_it_says_so() -> None:
    suite_run = make_suite_run()
    first, second, silent = (running(make_assignment(suite_run)) for _ in range(3))
    for agent in (first, second):
        agent.event(1, "shard_empty", "no test files")
    for agent in (first, second, silent):
        agent.results(EMPTY)
    # The first shard always has a file, and who says nothing has lost its examples.
    assert first.finish(0).json == {"state": "failed"}
    assert second.finish(0).json == {"state": "passed"}
    assert silent.finish(0).json == {"state": "failed"}
