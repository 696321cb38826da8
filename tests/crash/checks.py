"""What must be true after a crash run, whatever happened in it. Reads the database itself."""

from collections import Counter

from django.db.models import Count

from dispatch.models import Assignment, ResultFile, Task, TaskSecret, Webhook
from dispatch.outcomes import TERMINAL, Category
from sandbox.demo.rails import Rails
from tests.crash.receiver import Receiver
from tests.crash.run import Run

VERDICTS = (Category.PASSED, Category.FAILED)
LEAST_AS_DEMANDED = 0.75


def check(run: Run, rails: Rails, receiver: Receiver) -> Counter[str]:
    """Raises AssertionError naming the first broken promise; else the Tasks by category."""
    nothing_is_lost(rails)
    no_verdict_is_wrong(rails)
    most_tasks_got_their_verdict(rails)
    nothing_ran_twice_to_a_verdict()
    every_pass_has_its_report()
    every_event_is_numbered()
    run.wait("every webhook has arrived", lambda: webhooks_arrived(receiver))
    run.wait("every Assignment is released", lambda: not open_assignments())
    nothing_is_left_behind(run)
    return Counter(Task.objects.values_list("category", flat=True))


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
        assert task.category == demanded or task.state == "errored", (
            f"Task {task.pk} must be {demanded} and is {task.category}: {task.sentence}"
        )
        if task.state == "errored":
            assert task.assignments.count() == 3, f"{task.pk} gave up before its third attempt"


def most_tasks_got_their_verdict(rails: Rails) -> None:
    """A Task whose three agents were killed may end errored; where many do, something else is
    broken, and a run in which nothing ever passed would have shown nothing at all."""
    found = dict(Task.objects.values_list("pk", "category"))
    as_demanded = sum(rails.expected[str(key)] == category for key, category in found.items())
    least = LEAST_AS_DEMANDED * len(found)
    assert as_demanded >= least, f"only {as_demanded} of {len(found)} Tasks ended as demanded"


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


def webhooks_arrived(receiver: Receiver) -> bool:
    """Each was delivered, and the receiver heard every sequence number of every Task."""
    if Webhook.objects.filter(delivered_at=None).exists():
        return False
    return all(
        set(receiver.heard[str(task.pk)]) == set(range(1, task.webhook_seq + 1))
        for task in Task.objects.all()
    )


def open_assignments() -> bool:
    return Assignment.objects.filter(released_at=None).exists()


def nothing_is_left_behind(run: Run) -> None:
    from droplets.models import PoolRequest, Worker

    assert not TaskSecret.objects.exists(), "secrets of ended Tasks are still there"
    PoolRequest.ask(True, "crash test", "the end of the run")
    run.wait("every Worker is destroyed", lambda: not Worker.standing().exists())
    run.wait("no droplet is left", lambda: not run.droplets())
