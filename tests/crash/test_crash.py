"""A short crash run in every test run; `make test-crash` is the long one."""

import os
import random
from pathlib import Path

import pytest

from dispatch.models import Task
from tests.crash.checks import check
from tests.crash.receiver import Receiver
from tests.crash.run import Plan, Run
from tests.crash.story import sum_up, tell

TASKS = 20
SECONDS = 20


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(420)
def test_no_task_is_lost_run_twice_or_falsely_passed(database_url: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("CRASH_SEED") or random.randrange(10**6))
    print(f"seed {seed} (CRASH_SEED={seed} breaks the same things again)")
    plan = Plan(state=tmp_path, database_url=database_url, tasks=TASKS, duration=SECONDS, seed=seed)
    with Receiver(seed) as receiver:
        run = Run(plan, receiver)
        try:
            check(run, run.execute(), receiver)
            print("\n".join(sum_up()))
        except AssertionError:
            print("\n".join(tell(run.rails)))
            raise
        finally:
            run.stop()
    assert Task.objects.count() == TASKS
