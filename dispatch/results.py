"""What results files say: RSpec's JSON, or JUnit XML, which is read into the same shape."""

import json
from dataclasses import dataclass
from typing import Any

from dispatch import junit

LARGEST_COUNT = 2**31 - 1


class Unreadable(Exception):
    """A results file is not whole and consistent; the message names what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What one results file says. `complete`: it could be read; the rest is 0 where not."""

    complete: bool = False
    example_count: int = 0
    failure_count: int = 0
    pending_count: int = 0
    errors_outside_count: int = 0


def counts_of(data: bytes) -> Counts:
    """A file that cannot be read is incomplete, never an error."""
    try:
        return read(data)
    except Unreadable:
        return Counts()


def read(data: bytes) -> Counts:
    """Where the examples and the summary differ, the worse is believed. Raises Unreadable."""
    found = document(data)
    summary, examples = found.get("summary"), found.get("examples", [])
    if not isinstance(summary, dict):
        raise Unreadable("summary: there is no such object in RSpec's JSON")
    if not isinstance(examples, list) or not all(isinstance(item, dict) for item in examples):
        raise Unreadable("examples: give a list of objects")
    statuses = [example.get("status") for example in examples]
    return Counts(
        complete=True,
        example_count=_count(summary, "example_count"),
        failure_count=max(_count(summary, "failure_count"), statuses.count("failed")),
        pending_count=_count(summary, "pending_count", 0),
        errors_outside_count=_count(summary, "errors_outside_of_examples_count", 0),
    )


def _count(summary: dict[str, Any], name: str, default: int | None = None) -> int:
    value = summary.get(name, default)
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise Unreadable(f"summary.{name}: give a whole number from 0 to {LARGEST_COUNT}")
    return value


def document(data: bytes) -> dict[str, Any]:
    """In the shape of RSpec's JSON, whatever is in it. Raises Unreadable."""
    if not data.strip():
        raise Unreadable("the file is empty")
    try:
        if junit.is_xml(data):
            return junit.document(data)
        found = json.loads(data.decode("utf-8-sig", "replace"))
    except RecursionError:
        raise Unreadable("the file nests too deeply") from None
    except ValueError as error:
        raise Unreadable(f"the file cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise Unreadable("the file is no JSON object")
    return found
