"""The poll: cheap while there is nothing, and never an answer that harms an agent."""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dispatch.models import Assignment, DropletLife, Task, TaskSecret
from dispatch.outcomes import Category
from droplets import dispatcher
from droplets.models import Worker, WorkerState
from droplets.protocol import polling
from tests.droplets.factories import make_worker
from tests.droplets.protocol.agent import Agent, placed, running
from tests.factories import make_assignment, make_suite_run

pytestmark = pytest.mark.django_db

ITEM_KEYS = [
    "id", "created_at", "updated_at", "run_id", "task_id", "run_order_index", "test_suite_run_id",
    "project_name", "branch_name", "user_id", "number_of_concurrent_runs", "commit_hash",
    "rspec_seed", "github_installation_id", "github_repo_full_name", "env_vars", "switchyard",
]  # fmt: skip


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every poll looks into the database."""
    monkeypatch.setattr(polling, "QUIET_SECONDS", -1.0)


def idle_agent(**facts: Any) -> Agent:
    now = timezone.now()
    return Agent(make_worker(**({"ready_at": now, "last_seen_at": now} | facts)))


def test_an_empty_poll_is_an_empty_array() -> None:
    answer = idle_agent().poll()
    assert (answer.status_code, answer.content) == (200, b"[]")
    assert answer["Content-Type"].startswith("application/json")


def seen_at(agent: Agent) -> datetime | None:
    return Worker.objects.get(pk=agent.worker_id).last_seen_at


@pytest.mark.django_db(transaction=True)
def test_an_empty_poll_costs_one_statement_and_no_write(forgetful: None) -> None:
    agent = idle_agent()
    before = seen_at(agent)
    with CaptureQueriesContext(connection) as queries:
        agent.poll()
    assert (len(queries), seen_at(agent)) == (1, before)


@pytest.mark.parametrize("digest", ["", hashlib.sha256(b"of-rails").hexdigest()])
def test_polls_write_once_in_fifteen_seconds(forgetful: None, digest: str) -> None:
    long_ago = timezone.now() - timedelta(seconds=16)
    agent = idle_agent(last_seen_at=long_ago, token_digest=digest)
    agent.token = "of-rails" if digest else agent.token
    found = [seen_at(agent) for _ in range(5) if agent.poll().status_code == 200]
    assert (len(found), len(set(found))) == (5, 1)
    assert found[0] is not None and found[0] > long_ago


def test_a_wrong_token_does_not_make_a_worker_seem_alive(forgetful: None) -> None:
    long_ago = timezone.now() - timedelta(seconds=16)
    for digest in ("", hashlib.sha256(b"of-rails").hexdigest()):
        agent = idle_agent(last_seen_at=long_ago, token_digest=digest)
        agent.token += "x"
        assert (agent.poll().status_code, seen_at(agent)) == (401, long_ago)


def test_over_one_poll_a_second_is_answered_from_memory() -> None:
    agent = idle_agent()
    agent.poll()
    with CaptureQueriesContext(connection) as queries:
        answers = [agent.poll() for _ in range(20)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b"[]")}
    assert len(queries) == 0


def test_memory_is_no_way_around_the_token() -> None:
    agent = idle_agent()
    agent.poll()
    agent.token += "x"
    assert agent.poll().status_code == 401


def test_a_waiting_assignment_is_hidden_for_a_second_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(polling.time, "monotonic", lambda: clock[0])
    agent = idle_agent()
    assert agent.poll().json() == []
    assert dispatcher.claim(make_assignment()) == agent.worker_id
    assert agent.poll().json() == []
    clock[0] += 1.0
    assert len(agent.poll().json()) == 1


def test_an_agent_with_work_never_gets_an_empty_answer_from_memory() -> None:
    agent, _ = placed()
    assert [len(agent.poll().json()) for _ in range(5)] == [1] * 5


def test_the_first_poll_of_an_agent_whose_ready_signal_was_lost_makes_it_idle() -> None:
    worker = make_worker(WorkerState.PROVISIONING)
    DropletLife.objects.create(worker_id=worker.pk, name=worker.name, size="s")
    assert Agent(worker).poll().json() == []
    worker.refresh_from_db()
    assert worker.state == WorkerState.IDLE
    assert DropletLife.objects.get(worker_id=worker.pk).ready_at == worker.ready_at


def test_a_worker_that_was_asked_to_drain_is_retired_when_it_comes_up() -> None:
    worker = make_worker(WorkerState.PROVISIONING, drain_requested_at=timezone.now())
    assert Agent(worker).poll().json() == []
    worker.refresh_from_db()
    assert worker.state == WorkerState.RETIRED


@pytest.mark.parametrize("state", [WorkerState.LOST, WorkerState.RETIRED])
def test_a_worker_that_was_given_up_gets_nothing(state: str) -> None:
    agent, assignment = placed()
    Worker.objects.filter(pk=agent.worker_id).update(state=state)
    assert agent.poll().json() == []
    assert Assignment.by_id(assignment.pk).delivered_at is None


def test_the_item_has_everything_and_texts_where_ruby_needs_texts() -> None:
    suite_run = make_suite_run(
        suite_run_id="build-7", github_installation_id="4711", user_id="9", branch="main",
        clone_url="https://git.example/acme/shop.git", paths={"service": "app"}, order_count=4,
    )  # fmt: skip
    agent, assignment = placed(
        env_vars={"A": "1", "B": ""}, suite_run=suite_run, command="bin/test", test_files=["a.rb"]
    )
    (item,) = agent.poll().json()
    assert list(item) == ITEM_KEYS
    ids = (item["id"], item["run_id"], item["task_id"], item["test_suite_run_id"])
    task_id = str(assignment.task_id)
    assert ids == (str(assignment.pk), task_id, task_id, "build-7")
    texts = [key for key in ITEM_KEYS if key.endswith(("_id", "_name", "_hash"))]
    assert all(type(item[key]) is str for key in texts)
    assert item["env_vars"] == {"A": "1", "B": ""}
    assert (item["run_order_index"], item["number_of_concurrent_runs"]) == (1, 4)
    assert item["switchyard"] == {
        "clone_url": "https://git.example/acme/shop.git",
        "paths": {"service": "app"},
        "command": "bin/test",
        "test_files": ["a.rb"],
        "timeout_seconds": 600,
        "log_cap_bytes": 100_000_000,
    }


def test_the_item_of_a_task_without_variables_has_an_empty_object() -> None:
    agent, _ = placed()
    assert agent.poll().json()[0]["env_vars"] == {}


def test_delivered_is_written_before_the_item_goes_out_and_stays() -> None:
    agent, assignment = placed()
    agent.poll()
    first = Assignment.by_id(assignment.pk).delivered_at
    assert first is not None
    agent.poll()
    assert Assignment.by_id(assignment.pk).delivered_at == first


def test_what_was_withdrawn_is_not_handed_out() -> None:
    agent, assignment = placed()
    stale = Assignment.by_id(assignment.pk)
    assert Worker.objects.get(pk=agent.worker_id).withdraw("the Worker drains")
    assert agent.poll().json() == []
    assert not stale.deliver()
    assert Assignment.by_id(assignment.pk).delivered_at is None


def test_what_was_handed_out_is_not_withdrawn() -> None:
    agent, _ = placed()
    agent.poll()
    assert not Worker.objects.get(pk=agent.worker_id).withdraw("too late")


def test_a_withdrawn_assignment_that_is_placed_elsewhere_is_not_delivered_here() -> None:
    agent, assignment = placed()
    stale = Assignment.by_id(assignment.pk)
    Worker.objects.get(pk=agent.worker_id).lose("gone")
    make_worker(ready_at=timezone.now())
    assert dispatcher.claim(Assignment.by_id(assignment.pk))
    assert not stale.deliver()


def test_after_the_end_the_answer_is_empty_again() -> None:
    agent, assignment = running()
    assignment.close(Category.FAILED)
    assert agent.poll().json() == []


def test_unreadable_secrets_end_the_attempt_and_name_the_remedy() -> None:
    agent, assignment = placed()
    TaskSecret.objects.create(task=assignment.task, ciphertext=b"under another key")
    assert agent.poll().json() == []
    row = Assignment.by_id(assignment.pk)
    assert (row.category, row.delivered_at) == (Category.UNKNOWN, None)
    assert "SWITCHYARD_ENCRYPTION_KEYS" in row.sentence
    assert Task.objects.get(pk=assignment.task_id).state == "queued"


@pytest.fixture
def broken_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement of the poll fails, as every one does while the database is away."""
    for name in ("READ", "MARK_AND_READ"):
        monkeypatch.setattr(polling, name, "SELECT no_such_column FROM droplets_worker")
    monkeypatch.setattr(connection, "close", lambda: None)


@pytest.mark.django_db(transaction=True)
def test_without_a_database_the_ruby_agent_is_told_to_wait(broken_database: None) -> None:
    answer = idle_agent().poll()
    assert (answer.status_code, answer.content) == (200, b"[]")


@pytest.mark.django_db(transaction=True)
def test_without_a_database_our_own_agent_is_told_to_try_again(broken_database: None) -> None:
    """To it an empty array means that its work was taken away."""
    agent = idle_agent()
    address = f"workers/{agent.worker_id}/worker_assignments"
    answer = agent.call("GET", address, b"", **{"User-Agent": "switchyard-agent/1"})
    assert answer.status_code == 503


@pytest.mark.django_db(transaction=True)
def test_without_a_database_nobody_gets_in_by_a_wrong_token(broken_database: None) -> None:
    agent = idle_agent()
    agent.token = "k1.wrong"
    assert agent.poll().status_code == 503


def test_the_reply_is_always_an_array_or_an_error(forgetful: None) -> None:
    agent, assignment = placed()
    bodies = [agent.poll()]
    agent.worker_event("assignment_acknowledged")
    bodies.append(agent.poll())
    Task.objects.get(pk=assignment.task_id).cancel(actor="rails")
    bodies.append(agent.poll())
    assert all(isinstance(json.loads(answer.content), list) for answer in bodies)
