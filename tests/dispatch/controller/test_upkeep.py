"""The core's other loops: a timeout is enforced from the claim, and a Task that was handed out and
never taken up does not wait for ever. What was reported is judged, whoever ended meanwhile."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from dispatch.backends import Sighting
from dispatch.controller.reconciling import settle
from dispatch.controller.upkeep import LOOPS, enforce_timeouts, judge_reports
from dispatch.models import Assignment, Task
from dispatch.outcomes import Category
from tests.dispatch.agent_api.agent import GREEN, RED, Agent, running
from tests.factories import make_assignment
from tests.moments import CLOSING, just_before

pytestmark = pytest.mark.django_db


def overdue(assignment: Assignment) -> None:
    past = timezone.now() - timedelta(hours=1)
    Assignment.objects.filter(pk=assignment.pk).update(deadline_at=past)


def test_a_task_that_runs_too_long_fails_and_says_what_to_change() -> None:
    assignment = make_assignment(timeout_seconds=600)
    assignment.place("here")
    assignment.claim("boot-1")
    enforce_timeouts()
    assert Assignment.by_id(assignment.pk).live
    overdue(assignment)
    enforce_timeouts()
    task = Task.objects.get(pk=assignment.task_id)
    assert (task.state, task.category) == ("failed", Category.TIMEOUT)
    assert "10 minutes" in task.sentence


def test_what_was_handed_out_and_never_taken_up_is_tried_again() -> None:
    assignment = make_assignment()
    assignment.place("here")
    assert assignment.deliver() and assignment.deadline_at is not None
    overdue(assignment)
    enforce_timeouts()
    assert Assignment.by_id(assignment.pk).category == Category.AGENT_LOST
    assert Assignment.objects.get(task=assignment.task, closed_at=None).number == 2


def test_the_claim_starts_the_timeout_anew() -> None:
    assignment = make_assignment(timeout_seconds=60)
    assignment.place("here")
    assignment.deliver()
    overdue(assignment)
    assert Assignment.by_id(assignment.pk).claim("boot-1")
    enforce_timeouts()
    assert Assignment.by_id(assignment.pk).live


def test_a_claim_that_comes_between_the_look_and_the_end_wins() -> None:
    assignment = make_assignment(timeout_seconds=60)
    assignment.place("here")
    assignment.deliver()
    overdue(assignment)
    claimant = Assignment.by_id(assignment.pk)
    with just_before(CLOSING, lambda: claimant.claim("boot-1")):
        enforce_timeouts()
    row = Assignment.by_id(assignment.pk)
    assert row.live and row.claimed_at is not None
    assert Task.objects.get(pk=assignment.task_id).state == "running"


class Killed(BaseException):
    """The process ends here."""


def killed() -> None:
    raise Killed


def unjudged(*files: bytes, seconds: float = 6) -> Agent:
    """One whose finish was kept so many seconds ago, by a process that ended before it was judged;
    its agent ended, too."""
    agent = running()
    for data in files:
        agent.results(data)
    with pytest.raises(Killed), just_before(CLOSING, killed):
        agent.finish(0)
    at = timezone.now() - timedelta(seconds=seconds)
    Assignment.objects.filter(pk=agent.assignment.pk).update(finished_at=at)
    assert agent.row.live and agent.row.finish is not None
    return agent


@pytest.mark.parametrize(
    "files,end", [([GREEN], "passed"), ([GREEN, RED], "failed"), ([], "no_verdict")]
)
def test_a_report_that_was_kept_and_not_judged_is_judged(files: list[bytes], end: str) -> None:
    agent = unjudged(*files)
    judge_reports()
    assert agent.row.category == end
    assert agent.finish(0).json == {"state": end}, "the same finish again"
    assert judge_reports in [loop.step for loop in LOOPS]


def test_whoever_takes_a_report_is_given_the_time_to_judge_it() -> None:
    agent = unjudged(GREEN, seconds=2)
    judge_reports()
    assert agent.row.live


def test_what_reports_in_another_way_is_judged_elsewhere() -> None:
    agent = running()
    agent.results()
    at = timezone.now() - timedelta(minutes=1)
    Assignment.objects.filter(pk=agent.assignment.pk).update(finished_at=at)
    judge_reports()
    assert agent.row.live


def time_out(agent: Agent) -> None:
    overdue(agent.assignment)
    enforce_timeouts()


def see_it_gone(agent: Agent) -> None:
    ended = Sighting(assignment_id=agent.assignment.pk, holds=False, ended=Category.UNKNOWN)
    assert not settle(agent.row, ended)


@pytest.mark.parametrize("happens", [time_out, see_it_gone])
def test_nothing_that_happens_before_a_kept_report_is_judged_decides_instead_of_it(
    happens: Callable[[Agent], None],
) -> None:
    """As when the controller was away, too."""
    agent = unjudged(GREEN)
    happens(agent)
    assert agent.row.live
    judge_reports()
    assert agent.row.category == Category.PASSED
    assert Task.objects.get(pk=agent.assignment.task_id).state == "passed"
