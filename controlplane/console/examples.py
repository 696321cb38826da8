"""The failing examples of results files, in the words that a person wants to read.

The reports came from the tests: any of their values may be missing or of another type.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dispatch.models import ResultFile
from dispatch.results import Unreadable, document

MOST_EXAMPLES = 50
MOST_MESSAGE = 4000


@dataclass(frozen=True, kw_only=True)
class FailingExample:
    """`place` is file:line as reported; `message` is cut at MOST_MESSAGE characters."""

    attempt: int
    description: str
    place: str
    message: str


def failing_examples(files: Iterable[ResultFile]) -> list[FailingExample]:
    """At most MOST_EXAMPLES, in the order of the reports."""
    found: list[FailingExample] = []
    for file in files:
        if len(found) >= MOST_EXAMPLES:
            break
        if file.failure_count or file.errors_outside_count or not file.complete:
            found += failures_of(bytes(file.data), file.assignment.number)
    return found[:MOST_EXAMPLES]


def failures_of(data: bytes, attempt: int) -> Iterator[FailingExample]:
    try:
        report = document(data)
    except Unreadable:
        return
    examples = report.get("examples")
    for example in examples if isinstance(examples, list) else []:
        if isinstance(example, dict) and example.get("status") == "failed":
            yield _failing(example, attempt)
    yield from _outside(report, attempt)


def _failing(example: dict[str, Any], attempt: int) -> FailingExample:
    exception = example.get("exception")
    exception = exception if isinstance(exception, dict) else {}
    kind, message = (_text(exception.get(key)) for key in ("class", "message"))
    return FailingExample(
        attempt=attempt,
        description=_text(example.get("full_description") or example.get("description")),
        place=":".join(
            _text(example[key]) for key in ("file_path", "line_number") if example.get(key)
        ),
        message="\n".join(part for part in (kind, message) if part)[:MOST_MESSAGE],
    )


def _outside(report: dict[str, Any], attempt: int) -> Iterator[FailingExample]:
    """Errors outside of examples: RSpec counts them, and tells about them in `messages`."""
    summary = report.get("summary")
    count = summary.get("errors_outside_of_examples_count") if isinstance(summary, dict) else 0
    messages = report.get("messages")
    for message in messages if count and isinstance(messages, list) else []:
        yield FailingExample(
            attempt=attempt,
            description="Error outside of examples",
            place="",
            message=_text(message).strip()[:MOST_MESSAGE],
        )


def _text(value: Any) -> str:
    """Half surrogate pairs, which JSON can hold and a page cannot, become question marks."""
    return "" if value is None else str(value).encode("utf-8", "replace").decode()
