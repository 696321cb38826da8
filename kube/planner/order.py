"""Which services the main one needs, and in which order they start."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kube.planner.problems import quote
from kube.planner.reader import Reader

STARTED, HEALTHY, COMPLETED = (
    "service_started",
    "service_healthy",
    "service_completed_successfully",
)
# All of them share one pod.
MOST_SERVICES = 30
CONDITIONS = (STARTED, HEALTHY, COMPLETED)


@dataclass(frozen=True, kw_only=True)
class Need:
    """One service needs another."""

    name: str
    condition: str = STARTED
    required: bool = True
    key: str = "depends_on"


@dataclass(kw_only=True)
class Order:
    """Walks from the main service to all that it needs. `reader_of` gives a service's reader, None
    where there is no such service."""

    reader_of: Callable[[str], Reader | None]
    sequence: list[str] = field(default_factory=list)
    completes: set[str] = field(default_factory=set)
    healthy: list[tuple[Reader, str]] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def visit(self, name: str, reader: Reader) -> None:
        """Puts the service behind those that it needs: depth first, in the file's order."""
        self._open.append(name)
        for need in needs_of(reader):
            self._need(reader, need)
        self._open.pop()
        self.sequence.append(name)

    def _need(self, reader: Reader, need: Need) -> None:
        needed = self.reader_of(need.name)
        if needed is None:
            self._missing(reader, need)
            return
        if need.condition == COMPLETED:
            self.completes.add(need.name)
        if need.condition == HEALTHY:
            self.healthy.append((reader, need.name))
        if need.name in self._open:
            circle = " → ".join([*self._open[self._open.index(need.name) :], need.name])
            message = f"the services wait for each other: {circle[:200]}"
            reader.problem(need.key, message, "break the circle")
        elif need.name not in self.sequence and self._has_room(reader, need):
            self.visit(need.name, needed)

    def _has_room(self, reader: Reader, need: Need) -> bool:
        if len(self._open) + len(self.sequence) < MOST_SERVICES:
            return True
        message = f"more than {MOST_SERVICES} services are needed"
        reader.problem(need.key, message, "use fewer")
        return False

    def _missing(self, reader: Reader, need: Need) -> None:
        if need.required:
            remedy = "add the service, or take its name out"
            reader.problem(need.key, f"there is no service {quote(need.name)}", remedy)
        else:
            reader.note(need.key, f"there is no service {quote(need.name)}, and none is required")


def needs_of(reader: Reader) -> Iterator[Need]:
    """From `depends_on` and `links`."""
    value = reader.content.get("depends_on")
    if isinstance(value, dict):
        yield from _conditional(reader.below("depends_on"), value)
    else:
        yield from (Need(name=name) for name in reader.texts("depends_on"))
    for text in reader.texts("links"):
        yield Need(name=text.partition(":")[0], key="links")


def _conditional(depends: Reader, value: dict[str, Any]) -> Iterator[Need]:
    for name in value:
        entry = depends.below(name)
        condition = entry.text("condition") or STARTED
        if condition not in CONDITIONS:
            message = f"{quote(condition)} is no condition"
            entry.problem("condition", message, f"use one of {', '.join(CONDITIONS)}")
        required = entry.flag("required") if entry.has("required") else True
        yield Need(name=name, condition=condition, required=required)
