"""A process that places: `python -m tests.bench.placer`, driven by lines of JSON.

It runs the controller's own loop for the droplet backend, and on the same rows one raw claim
after the other. Each line `{"do": name, ...}` is answered by one line.
"""

import json
import os
import sys
import threading
import time
from typing import Any

import django
from django.db import connection

PATIENCE_SECONDS = 120.0
LOOK_EVERY_SECONDS = 0.02
WAKE_AGAIN_SECONDS = 2.0
# Adapted by psycopg itself and prepared by the server: nothing could claim faster.
RAW_CLAIM = """
UPDATE droplets_worker SET state = 'busy', assigned_at = now() WHERE id = (
    SELECT id FROM droplets_worker WHERE state = 'idle' AND drain_requested_at IS NULL
    ORDER BY ready_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id
"""
LAST_COMMIT = """
SELECT count(*), max(pg_xact_commit_timestamp(xmin)) FROM dispatch_assignment WHERE placed_at >= %s
"""


def main() -> None:
    django.setup()
    placer = Placer()
    try:
        for line in sys.stdin:
            command = json.loads(line)
            print(json.dumps(getattr(placer, f"do_{command.pop('do')}")(**command)), flush=True)
    finally:
        placer.close()


class Placer:
    """Works on the database that DATABASE_URL names. Rates are per second."""

    def __init__(self) -> None:
        import psycopg

        from dispatch.controller import placing, runner
        from tests.bench.rows import Population

        self._rows = Population()
        self._raw = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        self._stop = threading.Event()
        run: dict[str, Any] = {"holder": "bench", "stop": self._stop}
        loops = [placing.loop("droplets")]
        self._controller = threading.Thread(target=runner.run, args=(loops,), kwargs=run)
        self._controller.start()

    def close(self) -> None:
        self._stop.set()
        self._controller.join(10)

    def do_fill(self, queued: int, finished: int) -> None:
        """The queue comes last, in a burst that the database has no statistics of yet."""
        self._rows.add_finished(finished)
        self._rows.settle()
        self._rows.add_queued(queued)

    def do_place(self, count: int) -> float:
        """Assignments that the controller gives to idle Workers, from its wake to the commit of
        the last claim."""
        from django.utils import timezone

        self._rows.finish_what_was_placed()
        self._rows.add_idle_workers(count)
        self._rows.add_queued(count)
        started = timezone.now()
        self._wake_until_nobody_is_idle()
        with connection.cursor() as cursor:
            cursor.execute(LAST_COMMIT, [started])
            placed, last = cursor.fetchone()
        if placed != count:
            raise AssertionError(f"{placed} Assignments were placed, not {count}")
        return float(count / (last - started).total_seconds())

    def _wake_until_nobody_is_idle(self) -> None:
        from dispatch import wake
        from droplets.models import Worker

        deadline = time.monotonic() + PATIENCE_SECONDS
        wake_again = 0.0
        # As the index of idle Workers has it: this is asked while others are being measured.
        idle = Worker.objects.filter(state="idle", drain_requested_at=None)
        while idle.exists():
            if time.monotonic() > deadline:
                raise AssertionError(f"Workers are idle after {PATIENCE_SECONDS:g} s")
            if time.monotonic() > wake_again:
                wake.send("queue")
                wake_again = time.monotonic() + WAKE_AGAIN_SECONDS
            time.sleep(LOOK_EVERY_SECONDS)

    def do_claim(self, count: int) -> float:
        """Raw claims, one after the other on one connection."""
        self._rows.finish_what_was_placed()
        self._rows.add_idle_workers(count)
        started = time.perf_counter()
        for _ in range(count):
            if self._raw.execute(RAW_CLAIM).fetchone() is None:
                raise AssertionError("no Worker is idle")
        return count / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
