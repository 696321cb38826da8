"""The two state machines' guarded functions, and what an end means for the Task."""

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from dispatch.models import Assignment, Task, TaskEvent, TaskSecret, Webhook
from dispatch.outcomes import MAX_PRIMARY_ATTEMPTS, OUTCOMES, TASK_MOVES, Category, TaskState
from tests.factories import make_assignment, make_client, make_task

pytestmark = pytest.mark.django_db


def kinds(task: Task) -> list[str]:
    return list(TaskEvent.objects.filter(task=task).order_by("seq").values_list("kind", flat=True))


def test_it_tells_the_whole_story_of_a_passing_task_in_numbered_events() -> None:
    assignment = make_assignment()
    assert assignment.place("here")
    assert assignment.deliver()
    assert assignment.claim("boot-1")
    assert assignment.close(Category.PASSED)
    task = Task.objects.get(pk=assignment.task_id)
    assert kinds(task) == ["task.queued", "task.assigned", "task.running", "task.passed"]
    assert list(task.events.order_by("seq").values_list("seq", flat=True)) == [1, 2, 3, 4]
    assert (task.state, task.category) == (TaskState.PASSED, Category.PASSED)
    assert task.finished_at is not None


def test_the_first_to_close_an_assignment_decides() -> None:
    assignment = make_assignment()
    twin = Assignment.by_id(assignment.pk)
    assert assignment.close(Category.FAILED)
    assert not twin.close(Category.PASSED)
    assert Task.objects.get(pk=assignment.task_id).state == TaskState.FAILED


def test_a_closed_assignment_cannot_be_placed_delivered_or_claimed() -> None:
    assignment = make_assignment()
    twin = Assignment.by_id(assignment.pk)
    assignment.close(Category.CANCELLED)
    assert not twin.place("here")
    assert not twin.deliver()
    assert not twin.claim("boot-1")
    assert kinds(assignment.task) == ["task.queued", "task.cancelled"]


def test_one_instance_claims_and_any_other_does_not() -> None:
    assignment = make_assignment()
    assignment.place("here")
    assert assignment.claim("first")
    assert not Assignment.by_id(assignment.pk).claim("second")
    assert Assignment.by_id(assignment.pk).instance == "first"


def test_the_timeout_counts_from_the_claim() -> None:
    assignment = make_assignment(timeout_seconds=60)
    assignment.place("here")
    assignment.claim("first")
    assert assignment.deadline_at is not None and assignment.claimed_at is not None
    assert assignment.deadline_at - assignment.claimed_at == timedelta(seconds=60)


def test_a_lost_attempt_is_followed_by_the_next_until_three_are_used() -> None:
    task = make_task()
    for number in range(1, MAX_PRIMARY_ATTEMPTS + 1):
        assignment = Assignment.objects.get(task=task, closed_at=None)
        assert assignment.number == number
        assignment.place(f"worker-{number}")
        assignment.close(Category.DROPLET_LOST)
    task.refresh_from_db()
    assert (task.state, task.category) == (TaskState.ERRORED, Category.DROPLET_LOST)
    assert not Assignment.objects.filter(task=task, closed_at=None).exists()


def test_withdrawing_an_undelivered_one_uses_up_no_attempt() -> None:
    assignment = make_assignment()
    for _ in range(MAX_PRIMARY_ATTEMPTS + 2):
        assert assignment.place("here")
        assert assignment.withdraw("the Worker drains")
    task = Task.objects.get(pk=assignment.task_id)
    assert task.state == TaskState.QUEUED
    assert task.assignments.count() == 1


def test_a_delivered_one_is_never_withdrawn() -> None:
    assignment = make_assignment()
    assignment.place("here")
    assignment.deliver()
    assert not Assignment.by_id(assignment.pk).withdraw("too late")


def test_only_a_primary_assignment_moves_its_task() -> None:
    task = make_task()
    shadow = Assignment.objects.create(task=task, number=2, purpose="shadow", backend="other")
    shadow.place("there")
    shadow.claim("boot-9")
    shadow.close(Category.FAILED)
    task.refresh_from_db()
    assert task.state == TaskState.QUEUED
    assert kinds(task) == ["task.queued"]


def test_the_database_refuses_a_second_live_assignment_of_one_purpose() -> None:
    task = make_task()
    with pytest.raises(IntegrityError), transaction.atomic():
        Assignment.objects.create(task=task, number=2, backend="droplets")


def test_the_database_refuses_a_second_open_assignment_under_one_external_id() -> None:
    make_assignment().place("worker-1")
    other = make_assignment()
    with pytest.raises(IntegrityError), transaction.atomic():
        other.place("worker-1")


def test_an_assignment_is_released_only_after_it_was_closed() -> None:
    assignment = make_assignment()
    assignment.place("here")
    assert not assignment.release()
    assignment.close(Category.PASSED)
    assert assignment.release()
    assert not assignment.release()


def test_a_cancel_ends_the_task_at_once() -> None:
    assignment = make_assignment()
    assignment.place("here")
    assignment.claim("first")
    assert assignment.task.cancel(actor="rails")
    task = Task.objects.get(pk=assignment.task_id)
    assert task.state == TaskState.CANCELLED
    assert not task.assignments.filter(closed_at=None).exists()


def test_cancelling_an_ended_task_changes_nothing() -> None:
    assignment = make_assignment()
    assignment.close(Category.PASSED)
    assert not Task.objects.get(pk=assignment.task_id).cancel(actor="rails")
    assert Task.objects.get(pk=assignment.task_id).state == TaskState.PASSED


def test_secrets_are_deleted_when_the_task_ends_and_kept_while_it_is_tried_again() -> None:
    assignment = make_assignment()
    TaskSecret.objects.create(task=assignment.task, ciphertext=b"x")
    assignment.place("here")
    assignment.close(Category.AGENT_LOST)
    assert TaskSecret.objects.filter(task=assignment.task).exists()
    Assignment.objects.get(task=assignment.task, closed_at=None).close(Category.PASSED)
    assert not TaskSecret.objects.filter(task=assignment.task).exists()


def an_ended_task_with_two_told_attempts() -> tuple[Assignment, Assignment]:
    first = make_assignment()
    TaskSecret.objects.create(task=first.task, ciphertext=b"x")
    first.place("here")
    first.deliver()
    first.close(Category.AGENT_LOST)
    second = Assignment.objects.get(task=first.task, closed_at=None)
    second.place("there")
    second.deliver()
    second.close(Category.PASSED)
    return first, second


def test_a_release_that_is_cut_short_is_none_and_comes_again() -> None:
    first, second = an_ended_task_with_two_told_attempts()
    assert first.release()

    def cut_short(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith("DELETE"):
            raise OperationalError("the server went away")
        return execute(sql, *rest)

    with (
        pytest.raises(OperationalError),
        connection.execute_wrapper(cut_short),
        transaction.atomic(),
    ):
        second.release()
    assert Assignment.by_id(second.pk).released_at is None
    assert TaskSecret.objects.exists()
    assert second.release()
    assert not TaskSecret.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_attempts_that_are_released_at_once_one_takes_the_secrets_with_it() -> None:
    first, second = an_ended_task_with_two_told_attempts()

    def release_the_other() -> None:
        try:
            second.release()
        finally:
            connection.close()

    thread = Thread(target=release_the_other)
    with transaction.atomic():
        assert first.release()
        thread.start()
        thread.join(0.5)  # it has to wait for us: were it done by now, it would not have seen us
    thread.join(20)
    assert not Assignment.objects.filter(released_at=None).exists()
    assert not TaskSecret.objects.exists()


def test_webhooks_about_a_task_are_numbered_without_gaps() -> None:
    make_client(webhook_url="http://127.0.0.1:1/")
    assignment = make_assignment()
    assignment.place("here")
    assignment.claim("first")
    assignment.close(Category.AGENT_LOST)
    assignment.task.cancel(actor="rails")
    rows = Webhook.objects.filter(task=assignment.task).order_by("sequence")
    found = list(rows.values_list("sequence", "kind"))
    assert found == [(1, "task.running"), (2, "task.queued"), (3, "task.cancelled")]


def test_a_sign_of_life_is_written_at_most_every_fifteen_seconds() -> None:
    assignment = make_assignment()
    assignment.heard()
    first = Assignment.by_id(assignment.pk).heard_at
    assignment.heard()
    assert Assignment.by_id(assignment.pk).heard_at == first
    assignment.heard_at = timezone.now() - timedelta(seconds=16)
    assignment.heard()
    assert Assignment.by_id(assignment.pk).heard_at != first


def test_every_category_has_an_outcome_with_a_sentence() -> None:
    assert set(OUTCOMES) == set(Category)
    assert all(outcome.sentence.endswith(".") for outcome in OUTCOMES.values())


def test_only_a_passing_report_passes_a_task() -> None:
    passing = [name for name, outcome in OUTCOMES.items() if outcome.task == TaskState.PASSED]
    assert passing == [Category.PASSED]


def test_nothing_leaves_a_terminal_state() -> None:
    assert not set(TASK_MOVES) & {"passed", "failed", "errored", "cancelled"}
