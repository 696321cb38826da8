import json
from typing import Any

import pytest

from controlplane.console.examples import MOST_MESSAGE, failures_of


def failing(document: Any) -> list[Any]:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return list(failures_of(data, 1))


def test_it_tells_what_failed_where_and_how() -> None:
    (one,) = failing(
        {
            "examples": [
                {"status": "passed", "full_description": "Cart adds up"},
                {
                    "status": "failed",
                    "full_description": "Cart takes away",
                    "file_path": "./spec/cart_spec.rb",
                    "line_number": 7,
                    "exception": {"class": "RuntimeError", "message": "expected 1, got 2"},
                },
            ]
        }
    )
    assert (one.description, one.place) == ("Cart takes away", "./spec/cart_spec.rb:7")
    assert one.message == "RuntimeError\nexpected 1, got 2"


def test_an_error_outside_of_examples_is_told_with_rspec_s_message() -> None:
    (one,) = failing(
        {
            "examples": [],
            "summary": {"errors_outside_of_examples_count": 1},
            "messages": ["\nAn error occurred while loading ./spec/a_spec.rb.\n"],
        }
    )
    assert one.message == "An error occurred while loading ./spec/a_spec.rb."


def test_messages_of_a_good_report_are_no_errors() -> None:
    assert failing({"summary": {}, "messages": ["Run options: exclude {:js=>true}"]}) == []


@pytest.mark.parametrize(
    "document",
    [
        b"", b"{", b"\xff\xfe", b"[" * 100_000, [], "text", 7, None, {}, {"examples": 7},
        {"examples": ["failed", None, {"status": ["failed"]}]}, {"summary": 7, "messages": 7},
    ],
)  # fmt: skip
def test_a_report_that_cannot_be_read_has_no_failures(document: Any) -> None:
    assert failing(document) == []


def test_values_of_the_wrong_type_are_shown_as_they_are() -> None:
    (one,) = failing({"examples": [{"status": "failed", "exception": "oops", "line_number": [3]}]})
    assert (one.description, one.place, one.message) == ("", "[3]", "")


def test_a_half_surrogate_pair_can_be_shown() -> None:
    (one,) = failing(b'{"examples": [{"status": "failed", "full_description": "\\ud83d"}]}')
    assert one.description.encode() == b"?"


def test_an_endless_message_is_cut() -> None:
    example = {"status": "failed", "exception": {"message": "x" * 10 * MOST_MESSAGE}}
    assert len(failing({"examples": [example]})[0].message) == MOST_MESSAGE


def test_junit_is_told_in_the_same_words() -> None:
    case = '<testcase classname="Cart" name="adds" file="a.py" line="7">'
    failure = '<failure type="Wrong" message="got 2"/>'
    data = f'<testsuite><error message="broken"/>{case}{failure}</testcase></testsuite>'
    adds, outside = failing(data.encode())
    assert (adds.description, adds.place, adds.message) == ("Cart adds", "a.py:7", "Wrong\ngot 2")
    assert (outside.description, outside.message) == ("Error outside of examples", "broken")
