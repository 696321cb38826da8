"""From an agent's finish to the outcome of its Assignment, by the rules that hold everywhere."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from dispatch.agent_api.calls import Refusal, text_of
from dispatch.evidence import results_of, said
from dispatch.models import Assignment
from dispatch.verdict import Ended, Evidence, Patience, judge

AT_ONCE = Patience(trailer=timedelta(0), report=timedelta(0))


MOST_FACTS = 50
LARGEST_EXIT_CODE = 255


def finish_of(found: dict[str, Any]) -> dict[str, Any]:
    """The report as it is kept. Raises Refusal (400) naming the field."""
    exit_code = found.get("exit_code")
    if exit_code is not None and not _is_count(exit_code, LARGEST_EXIT_CODE):
        raise Refusal(400, "exit_code: give a number from 0 to 255, or null where no test ran.")
    return {
        "exit_code": exit_code,
        "counts": _facts(found, "counts", int, "whole numbers"),
        "phases": _facts(found, "phases", str, "times, as texts"),
        "image_digest": text_of(found, "image_digest")[:200],
    }


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _facts(found: dict[str, Any], name: str, kind: type, what: str) -> dict[str, Any]:
    facts = found.get(name)
    if facts is None:
        return {}
    if not isinstance(facts, dict) or not all(_fits(item, kind) for item in facts.values()):
        raise Refusal(400, f"{name}: give an object of {what}.")
    if len(facts) > MOST_FACTS:
        raise Refusal(400, f"{name}: give {MOST_FACTS} at most.")
    return {key[:50]: item for key, item in facts.items()}


def _fits(value: Any, kind: type) -> bool:
    if kind is int:
        return _is_count(value, 2**53)
    return isinstance(value, str) and len(value) <= 100


def counters_of(found: dict[str, Any]) -> dict[str, int]:
    """Of a heartbeat. Raises Refusal (400) naming the field."""
    text_of(found, "phase")
    return _facts(found, "counters", int, "whole numbers")


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
