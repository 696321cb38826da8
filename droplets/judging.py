"""Reads what a Worker's agent reported, and closes its Assignment once that decides it."""

import re
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from dispatch import verdict
from dispatch.evidence import results_of, said
from dispatch.models import Assignment, LogChunk
from dispatch.reporting import log_tail
from dispatch.verdict import Ended, Evidence, Patience
from droplets.config import config
from droplets.models import Worker, WorkerState

TEST_STREAM = "test"
TRAILER = re.compile(rb'^Script done on [^\n]*\[COMMAND_EXIT_CODE="(\d{1,9})"', re.MULTILINE)
LONGEST_TRAILER = 512


def judge_all() -> None:
    """The loop's step: look again at those that reported an end and wait for the rest."""
    busy = Worker.standing().filter(state=WorkerState.BUSY).values("assignment_id")
    reported = Q(reported_at__isnull=False) | Q(finished_at__isnull=False)
    for assignment in Assignment.objects.filter(reported, pk__in=busy, closed_at=None):
        judge(assignment)


def judge(assignment: Assignment) -> None:
    """Close it if what was reported so far decides it. Concurrent calls are safe: one closes."""
    now = timezone.now()
    end = verdict.judge(_evidence(assignment.pk), now, _patience())
    if isinstance(end, Ended):
        assignment.close(end.category, end.sentence)


def _patience() -> Patience:
    return Patience(
        trailer=timedelta(seconds=config().trailer_wait),
        report=timedelta(seconds=config().report_wait),
    )


def _evidence(assignment_id: UUID) -> Evidence:
    """Read anew: another process may have stored the other half of the report just now."""
    row = Assignment.by_id(assignment_id)
    task = row.task
    return Evidence(
        results=results_of(row.pk) if row.reported_at else None,
        exit_code=row.exit_code,
        reported_at=row.reported_at,
        finished_at=row.finished_at,
        heard_at=_heard_at(row),
        pre_script_started=row.built_at is not None,
        pre_script_finished=row.services_ready_at is not None,
        tests_started=row.tests_started_at is not None,
        said=said(assignment_id),
        surplus=task.order_index > 1 and task.test_files is None,
    )


def _heard_at(row: Assignment) -> datetime | None:
    """The last call of any kind; `Assignment.heard_at` alone is only true to 15 seconds."""
    chunks = LogChunk.objects.filter(stream__assignment_id=row.pk)
    last_chunk = chunks.order_by("-id").values_list("at", flat=True).first()
    last_poll = (
        Worker.objects.filter(assignment_id=row.pk).values_list("last_seen_at", flat=True).first()
    )
    return max((at for at in (row.heard_at, last_chunk, last_poll) if at is not None), default=None)


def note_exit_code(assignment: Assignment, added: int) -> bool:
    """Read the exit code from the end of the test output, of which `added` bytes are new. After
    the end it is stored apart and flagged. True where it may decide."""
    tail = log_tail(assignment.pk, TEST_STREAM, added + LONGEST_TRAILER)
    codes = TRAILER.findall(tail)
    if not codes:
        return False
    code = int(codes[-1])
    rows = Assignment.objects.filter(pk=assignment.pk)
    if rows.filter(closed_at=None).update(exit_code=code):
        return True
    row = rows.get()
    if row.exit_code != code and row.late_exit_code != code:
        rows.update(late_exit_code=code)
        assignment.note("agent.late_exit_code", exit_code=code, outcome=row.category)
    return False
