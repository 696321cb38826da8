"""What must be true after a crash run, whatever happened in it. Reads the database itself."""

from django.conf import settings
from django.db import close_old_connections
from django.db.models import Count

from dispatch.following import FELL_BACK
from dispatch.models import Assignment, ResultFile, Task, Webhook
from dispatch.outcomes import MAX_PRIMARY_ATTEMPTS, TERMINAL, Category, TaskState
from sandbox.demo.rails import Rails
from tests.crash import journal, witness
from tests.crash.leftovers import nothing_is_left_behind
from tests.crash.pace import FALLBACKS
from tests.crash.receiver import Receiver
from tests.crash.run import Run

VERDICTS = (Category.PASSED, Category.FAILED)
LEAST_AS_DEMANDED = 0.75


def check(run: Run, rails: Rails, receiver: Receiver) -> None:
    """Raises AssertionError naming the first broken promise."""
    close_old_connections()
    nothing_is_lost(rails)
    no_verdict_is_wrong(rails)
    most_tasks_got_their_verdict(rails)
    both_backends_ran()
    nothing_ran_twice_to_a_verdict()
    every_pass_has_its_report()
    every_event_is_numbered()
    fallbacks_are_told_and_few()
    run.wait("every webhook has arrived", lambda: webhooks_arrived(receiver))
    webhooks_tell_one_story(receiver)
    nothing_is_left_behind(run)
    witness.check(journal.read(run.journal))


def nothing_is_lost(rails: Rails) -> None:
    tasks = {str(task.pk): task for task in Task.objects.all()}
    assert set(tasks) == set(rails.expected), "accepted Tasks and rows differ"
    unended = [key for key, task in tasks.items() if task.state not in TERMINAL]
    assert not unended, f"not ended: {unended}"
    live = Assignment.objects.filter(closed_at=None)
    assert not live.exists(), f"live Assignments of ended Tasks: {list(live)}"


def no_verdict_is_wrong(rails: Rails) -> None:
    """A Task ends as its repository demands, or, when its agents were killed, errored."""
    for task in Task.objects.all():
        demanded = rails.expected[str(task.pk)]
        assert task.category == demanded or task.state == TaskState.ERRORED, (
            f"Task {task.pk} must be {demanded} and is {task.category}: {task.sentence}"
        )
        if task.state == TaskState.ERRORED:
            tried = task.assignments.count()
            assert tried == MAX_PRIMARY_ATTEMPTS, f"{task.pk} gave up after attempt {tried}"


def most_tasks_got_their_verdict(rails: Rails) -> None:
    """A Task whose three agents were killed may end errored; where many do, something else is
    broken, and a run in which nothing ever passed would have shown nothing at all."""
    found = dict(Task.objects.values_list("pk", "category"))
    as_demanded = sum(rails.expected[str(key)] == category for key, category in found.items())
    least = LEAST_AS_DEMANDED * len(found)
    assert as_demanded >= least, f"only {as_demanded} of {len(found)} Tasks ended as demanded"


def both_backends_ran() -> None:
    """Each has brought a Task to its pass, or the run has shown nothing about it."""
    passed = Assignment.objects.filter(category=Category.PASSED)
    found = set(passed.values_list("backend", flat=True).distinct())
    assert found == set(settings.ROLLOUT.values()), f"only {sorted(found)} has passed anything"


def nothing_ran_twice_to_a_verdict() -> None:
    verdicts = Assignment.objects.filter(category__in=VERDICTS).values("task")
    twice = verdicts.annotate(n=Count("id")).filter(n__gt=1)
    assert not twice.exists(), f"two verdicts: {list(twice)}"


def every_pass_has_its_report() -> None:
    for assignment in Assignment.objects.filter(category=Category.PASSED):
        files = ResultFile.objects.filter(assignment=assignment, complete=True)
        assert files.exists(), f"{assignment} passed without a report"
        assert assignment.exit_code in (0, None), f"{assignment} passed with a bad exit code"
        assert not files.filter(failure_count__gt=0).exists(), f"{assignment}: a false pass"


def every_event_is_numbered() -> None:
    for task in Task.objects.annotate(n=Count("events")):
        numbers = list(task.events.order_by("seq").values_list("seq", flat=True))
        assert numbers == list(range(1, task.event_seq + 1)), f"{task.pk}: {numbers}"


def fallbacks_are_told_and_few() -> None:
    """A Task changes its backend once at most, its story says so, and an hour's budget holds. It
    may be overspent by those that end in the same moment: one for each thread that ends some."""
    for task in Task.objects.all():
        backends = [one.backend for one in task.assignments.order_by("number")]
        changes = sum(
            before != after for before, after in zip(backends, backends[1:], strict=False)
        )
        told = task.events.filter(kind=FELL_BACK).count()
        assert changes == told == (task.fell_back_at is not None), (
            f"{task.pk} ran on {backends}, and its story tells of {told} fallbacks"
        )
    fell_back = Task.objects.exclude(fell_back_at=None).count()
    most = FALLBACKS + 2 * settings.BACKEND_THREADS + 2
    assert fell_back <= most, f"{fell_back} Tasks went to the other backend; {FALLBACKS} may"


def webhooks_arrived(receiver: Receiver) -> bool:
    """Each was delivered, and the receiver heard every sequence number of every Task."""
    if Webhook.objects.filter(delivered_at=None).exists():
        return False
    return all(
        set(receiver.heard[str(task.pk)]) == set(range(1, task.webhook_seq + 1))
        for task in Task.objects.all()
    )


def webhooks_tell_one_story(receiver: Receiver) -> None:
    """By their numbers they lead to the Task's end, and tell it once."""
    assert not receiver.contradictions, f"two messages of one number: {receiver.contradictions}"
    for task in Task.objects.all():
        heard = receiver.heard[str(task.pk)]
        states = [heard[number]["data"]["state"] for number in sorted(heard)]
        ends = [state for state in states if state in TERMINAL]
        assert ends == states[-1:] == [task.state], f"{task.pk} is {task.state}, told was {states}"
