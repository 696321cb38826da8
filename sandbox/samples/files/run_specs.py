#!/usr/bin/env python3
"""Runs the spec files of a sample repository and writes RSpec JSON.

The files are those in SWITCHYARD_TEST_FILES (one a line), else all of them. An example passes when
its `expect(A + B).to eq(C)` is true. SAMPLE_SECONDS is how long the whole suite takes, of which
these files take their part; without it .saturnci/seconds says so.
"""

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

EXAMPLE = re.compile(r'it "(?P<name>[^"]*)" do\s+expect\((\d+) \+ (\d+)\)\.to eq\((\d+)\)')


def main() -> int:
    every_file = sorted(str(path) for path in Path("spec").rglob("*_spec.rb"))
    listed = os.environ.get("SWITCHYARD_TEST_FILES")
    files = every_file if listed is None else listed.splitlines()
    seconds = float(os.environ.get("SAMPLE_SECONDS") or Path(".saturnci/seconds").read_text())
    began = time.monotonic()
    examples = []
    for file in files:
        examples += run_file(file, seconds / max(1, len(every_file)))
    failures = sum(example["status"] == "failed" for example in examples)
    write_results(examples, failures, time.monotonic() - began)
    return 1 if failures else 0


def run_file(file: str, seconds: float) -> list[dict[str, Any]]:
    text = Path(file).read_text()
    title = "".join(re.findall(r'describe "([^"]*)"', text)[:1])
    print("\n" + title, flush=True)
    found = list(EXAMPLE.finditer(text))
    return [run_example(file, text, title, match, seconds / len(found)) for match in found]


def run_example(
    file: str, text: str, title: str, match: re.Match[str], seconds: float
) -> dict[str, Any]:
    time.sleep(seconds)
    left, right, expected = map(int, match.groups()[1:])
    passed = left + right == expected
    print(f"  {match['name']}" + ("" if passed else " (FAILED)"), flush=True)
    line = text[: match.start()].count("\n") + 1
    path = file if file.startswith("./") else f"./{file}"
    example: dict[str, Any] = {
        "id": f"{path}:{line}",
        "description": match["name"],
        "full_description": f"{title} {match['name']}",
        "status": "passed" if passed else "failed",
        "file_path": path,
        "line_number": line,
        "run_time": seconds,
        "pending_message": None,
    }
    if not passed:
        example["exception"] = {
            "class": "RSpec::Expectations::ExpectationNotMetError",
            "message": f"\nexpected: {expected}\n     got: {left + right}\n",
            "backtrace": [f"{path}:{line + 1}"],
        }
    return example


def write_results(examples: list[dict[str, Any]], failures: int, duration: float) -> None:
    line = f"{len(examples)} examples, {failures} failures"
    print(f"\nFinished in {duration:.2f} seconds\n{line}", flush=True)
    document = {
        "version": "3.13.0",
        "seed": int(os.environ.get("RSPEC_SEED") or 0),
        "examples": examples,
        "summary": {
            "duration": duration,
            "example_count": len(examples),
            "failure_count": failures,
            "pending_count": 0,
            "errors_outside_of_examples_count": 0,
        },
        "summary_line": line,
    }
    path = Path(os.environ.get("SWITCHYARD_RESULTS") or "tmp/rspec.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


if __name__ == "__main__":
    sys.exit(main())
