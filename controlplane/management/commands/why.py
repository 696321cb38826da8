"""Tells why a Task runs where it runs, and whether the decision can be explained."""

import json
import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from dispatch.following import FELL_BACK
from dispatch.models import Task, TaskEvent
from dispatch.why import Story, explain


class Command(BaseCommand):
    help = (
        "Recompute the routing decision of a Task from what is stored. "
        "The exit code is 1 where it does not come out again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("task", help="the Task's id")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *arguments: Any, **options: Any) -> None:
        task = _find(options["task"])
        story = explain(task.suite_run)
        if options["json"]:
            facts: dict[str, Any] = {"stored": story.stored, "recomputed": story.recomputed}
            doubts = list(story.doubts)
            facts |= {"agrees": story.agrees, "doubts": doubts, "fell_back": _fallbacks(task)}
            self.stdout.write(json.dumps(facts))
        else:
            self._tell(task, story)
        if not story.agrees:
            sys.exit(1)

    def _tell(self, task: Task, story: Story) -> None:
        self.stdout.write(f"Task {task.pk} of suite run {task.suite_run}")
        for name, value in story.stored.items():
            text = "; ".join(value) if isinstance(value, list) else value
            label = name.replace("_", " ")
            self.stdout.write(f"{label:>22}  {'-' if text in (None, '') else text}")
        for one in _fallbacks(task):
            moved = f"Fell back from {one['from']} to {one['to']}"
            self.stdout.write(f"{moved} ({one['category']}): {one['because']}")
        for doubt in story.doubts:
            self.stdout.write(f"DIFFERS  {doubt}")
        verdict = "the same comes out again" if story.agrees else "something else comes out"
        self.stdout.write(f"Recomputed from the columns above: {verdict}.")


def _fallbacks(task: Task) -> list[dict[str, Any]]:
    """What took it to another backend than the decision's, once at most."""
    rows = TaskEvent.objects.filter(task=task, kind=FELL_BACK).order_by("id")
    return list(rows.values_list("detail", flat=True))


def _find(text: str) -> Task:
    try:
        task_id = UUID(text)
    except ValueError:
        raise CommandError(f"{text!r} is no Task id: give a UUID.") from None
    task = Task.objects.select_related("suite_run").filter(pk=task_id).first()
    if task is None:
        raise CommandError(f"There is no Task {task_id}.")
    return task
