"""What the rows hold of an agent's report, in the shape that `dispatch.verdict` reads."""

from uuid import UUID

from dispatch.models import TaskEvent
from dispatch.reporting import result_totals
from dispatch.verdict import SHARD_EMPTY, SPOKEN_ENDS, Results

AGENT_EVENT = "agent."


def results_of(assignment_id: UUID) -> Results:
    """All results files together."""
    totals = result_totals(assignment_id)
    return Results(
        complete=totals.complete,
        examples=totals.example_count,
        failures=totals.failure_count,
        errors_outside=totals.errors_outside_count,
    )


def said(assignment_id: UUID) -> dict[str, str]:
    """The ends, and the empty shard, that our own agent told as events, with their detail."""
    names = [AGENT_EVENT + name for name in (*SPOKEN_ENDS, SHARD_EMPTY)]
    rows = TaskEvent.objects.filter(assignment_id=assignment_id, kind__in=names)
    return {
        kind.removeprefix(AGENT_EVENT): str(detail.get("detail", ""))
        for kind, detail in rows.values_list("kind", "detail")
    }
