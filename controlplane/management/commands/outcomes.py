"""The outcome table as a document: docs/outcomes.md is what this prints."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand

from dispatch.outcomes import (
    MAX_PRIMARY_ATTEMPTS,
    NOTES,
    OUTCOMES,
    Again,
    Category,
    failed_by_infrastructure,
)

BEGINNING = f"""\
# How an attempt may end

Printed by `manage.py outcomes` from the table that the code reads; do not edit it by hand.

Each end of an attempt has one category, the same on both backends. Where another attempt follows
({MAX_PRIMARY_ATTEMPTS} in all), the Task is queued again; the state below is the Task's where none
does. An attempt that ended before an agent claimed it may go **to the other backend**, once per
Task, where the other one is configured, can run it, and the hour's budget of fallbacks is not used
up. An end counts as an **infrastructure failure** when the attempt brought no verdict of the
tests, for any reason but a cancel: the same rule on both backends.

The one exception: the Ruby agent of the droplets cannot tell why there are no results, so a build
or a service that failed is `no_verdict` there.
"""
COLUMNS = (
    "Category",
    "What happened",
    "Task",
    "Again?",
    "To the other backend?",
    "Infrastructure failure?",
    "Note",
)
AGAIN = {
    Again.NO: "no",
    Again.LARGER: "once, in a larger class",
    Again.YES: "yes",
    Again.ELSEWHERE: "on the other backend only",
}


class Command(BaseCommand):
    help = "Print docs/outcomes.md: how every end of an attempt is read, and what follows it."

    def handle(self, *args: Any, **options: Any) -> None:
        rows = [COLUMNS, ["---"] * len(COLUMNS), *map(_cells, Category.values)]
        lines = [f"| {' | '.join(cells)} |\n" for cells in rows]
        self.stdout.write(f"{BEGINNING}\n{''.join(lines)}", ending="")


def _cells(category: str) -> Sequence[str]:
    outcome = OUTCOMES[category]
    return (
        f"`{category}`",
        outcome.sentence,
        outcome.task.value,
        AGAIN[outcome.again],
        "before the claim" if outcome.elsewhere else "no",
        "yes" if failed_by_infrastructure(category) else "no",
        NOTES.get(category, ""),
    )
