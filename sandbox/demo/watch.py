"""Follows the Tasks to their end, with a line that is always moving."""

import time
from collections import Counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sandbox.demo.rails import Rails
from sandbox.stack import Stack

ENDED = ("passed", "failed", "errored", "cancelled")
LOOK_EVERY = 0.5
PLAIN_EVERY = 5.0


def watch(rails: Rails, stack: Stack, console: Console, deadline: float) -> list[str]:
    """Wait until every Task has ended, or the deadline; a line for each that ended wrong."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    tasks: dict[str, dict[str, Any]] = {}
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task("Tasks", total=len(rails.expected))
        said = 0.0
        while time.monotonic() < deadline:
            stack.check()
            tasks = rails.states()
            counts = Counter(task["state"] for task in tasks.values())
            ended = sum(counts[state] for state in ENDED)
            progress.update(bar, completed=ended, description=_line(counts))
            if ended == len(rails.expected):
                break
            if not console.is_terminal and time.monotonic() - said > PLAIN_EVERY:
                console.print(f"{ended} of {len(rails.expected)} ended: {_line(counts)}")
                said = time.monotonic()
            time.sleep(LOOK_EVERY)
    return wrong(rails, tasks)


def _line(counts: Counter[str]) -> str:
    return " ".join(f"{state} {count}" for state, count in sorted(counts.items())) or "sending"


def wrong(rails: Rails, tasks: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for task_id, expected in rails.expected.items():
        task = tasks.get(task_id, {"state": "lost", "category": "", "sentence": ""})
        if task["category"] != expected:
            was = f"{task['state']} ({task['category'] or 'not ended'})"
            lines.append(f"Task {task_id}: expected {expected}, is {was}: {task['sentence']}")
    return lines
