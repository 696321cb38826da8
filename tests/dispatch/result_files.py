"""Results files as test programs write them."""

import json
from typing import Any


def rspec(**summary: Any) -> bytes:
    counts = {"example_count": 2, "failure_count": 0, **summary}
    return json.dumps({"examples": [{"status": "passed"}] * 2, "summary": counts}).encode()


def junit(*cases: str, attributes: str = "", outside: str = "") -> bytes:
    """One suite with these insides of test cases; an empty one passed."""
    bodies = "".join(
        f'<testcase classname="Shop" name="case {number}" time="0.25">{body}</testcase>'
        for number, body in enumerate(cases, start=1)
    )
    return (
        f"<testsuites><testsuite {attributes}>{outside}{bodies}</testsuite></testsuites>".encode()
    )
