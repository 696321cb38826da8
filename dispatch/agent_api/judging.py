"""From an agent's finish to the outcome of its Assignment, by the rules that hold everywhere."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from dispatch.agent_api.calls import Refusal
from dispatch.evidence import results_of, said
from dispatch.models import Assignment
from dispatch.verdict import Ended, Evidence, Patience, judge

AT_ONCE = Patience(trailer=timedelta(0), report=timedelta(0))


def finish_of(found: dict[str, Any]) -> dict[str, Any]:
    """The report as it is kept. Raises Refusal (400) naming the field."""
    exit_code = found.get("exit_code")
    if exit_code is not None and (type(exit_code) is not int or not 0 <= exit_code < 2**31):
        raise Refusal(400, "exit_code: give a whole number from 0, or null where no test ran.")
    report: dict[str, Any] = {"exit_code": exit_code}
    for name in ("counts", "phases"):
        value = found.get(name, {})
        if not isinstance(value, dict):
            raise Refusal(400, f"{name}: give an object.")
        report[name] = {str(key)[:50]: item for key, item in list(value.items())[:50]}
    digest = found.get("image_digest")
    report["image_digest"] = str(digest)[:200] if digest else ""
    return report


def close_by_report(assignment: Assignment) -> None:
    """Everything that the agent had to say has arrived before its finish, so nothing is waited
    for."""
    end = judge(_evidence(assignment), timezone.now(), AT_ONCE)
    if isinstance(end, Ended):
        assignment.close(end.category, end.sentence)


def _evidence(assignment: Assignment) -> Evidence:
    return Evidence(
        results=results_of(assignment.pk) if assignment.reported_at else None,
        exit_code=assignment.exit_code,
        reported_at=assignment.reported_at,
        finished_at=assignment.finished_at,
        tests_started=assignment.tests_started_at is not None,
        said=said(assignment.pk),
        surplus=assignment.task.order_index > 1 and assignment.task.test_files is None,
    )
