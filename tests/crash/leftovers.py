"""What must be gone when every Task has ended."""

from dispatch.models import Assignment, TaskSecret
from tests.crash.run import Run

# A backend that did not answer is left alone for up to a minute.
RELEASE_SECONDS = 150.0


def nothing_is_left_behind(run: Run) -> None:
    """Within a bounded time. The registry may keep its images."""
    from droplets.models import PoolRequest, Worker

    run.wait("every Assignment is released", lambda: not _open(), RELEASE_SECONDS)
    assert not TaskSecret.objects.exists(), "secrets of ended Tasks are still there"
    run.wait("no Job and nothing of one is left", lambda: not run.view.left(), RELEASE_SECONDS)
    run.wait("no container runs", lambda: not run.view.processes_left())
    PoolRequest.ask(True, "crash test", "the end of the run")
    run.wait("every Worker is destroyed", lambda: not Worker.standing().exists(), RELEASE_SECONDS)
    run.wait("no droplet is left", lambda: not run.droplets())


def _open() -> bool:
    return Assignment.objects.filter(released_at=None).exists()
