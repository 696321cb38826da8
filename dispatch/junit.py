"""JUnit XML, read into the shape of RSpec's JSON. There is no one standard: what the writers of
pytest, Surefire, Jest, Go and RSpec have in common is taken, the rest is left aside.

Entities are refused, so that a small file cannot become a large one, or another one.
"""

from collections.abc import Callable, Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml import DefusedXmlException, EntitiesForbidden
from defusedxml.ElementTree import fromstring

LARGEST = 50 * 1024 * 1024
DEEPEST = 50
FAILING = ("failure", "error")
NOT_RUN = ("notrun", "disabled", "skipped")
# The attributes in which tests say something.
TOLD = ("message", "value")


def is_xml(data: bytes) -> bool:
    start = data[:200].removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith((b"<", b"\xff\xfe", b"\xfe\xff"))


def document(data: bytes) -> dict[str, Any]:
    """As RSpec writes it: `summary`, `examples`, and `messages` for errors outside of examples.
    Where suites declare more failures than their cases show, the rest happened outside of them.
    Raises ValueError naming what is wrong."""
    root = _parse(data)
    if _tag(root) not in ("testsuites", "testsuite"):
        raise ValueError(f"the root element is {_tag(root)[:50]!r}: use testsuites or testsuite")
    examples = [_example(case) for case in root.iter() if _tag(case) == "testcase"]
    statuses = [example["status"] for example in examples]
    failed = statuses.count("failed")
    outside = _bad(root) - failed
    told = [_message(element) for element in _outside(root)]
    if outside > len(told):
        told.append(f"{outside - len(told)} failures that no test case shows")
    return {
        "summary": {
            "example_count": len(examples),
            "failure_count": failed,
            "pending_count": statuses.count("pending"),
            "errors_outside_of_examples_count": outside,
        },
        "examples": examples,
        "messages": told,
    }


def _parse(data: bytes) -> Element:
    if len(data) > LARGEST:
        raise ValueError(f"it has {len(data)} bytes: {LARGEST} are read")
    try:
        root: Element = fromstring(data)
    except EntitiesForbidden as error:
        raise ValueError("it declares entities: leave them out") from error
    except DefusedXmlException as error:
        raise ValueError(f"it points at something outside: {type(error).__name__}") from error
    except (ParseError, LookupError, ValueError) as error:
        raise ValueError(f"it is no XML: {error}") from error
    return root


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _bad(suite: Element, depth: int = 0) -> int:
    """How much went wrong in a suite: what it declares or what it shows, whichever is worse."""
    if depth > DEEPEST:
        raise ValueError(f"its suites lie in each other more than {DEEPEST} deep")
    declared = sum(_count(suite, name) for name in ("failures", "errors"))
    return max(declared, sum(_bad_of(child, depth) for child in suite))


def _bad_of(child: Element, depth: int) -> int:
    tag = _tag(child)
    if tag == "testsuite":
        return _bad(child, depth + 1)
    return int(tag in FAILING or (tag == "testcase" and _status(child) == "failed"))


def _count(suite: Element, name: str) -> int:
    text = suite.get(name, "").strip() or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{name}={text[:50]!r} of {_tag(suite)} is no count")
    return int(text)


def _status(case: Element) -> str:
    inside = {_tag(child) for child in case}
    if inside & set(FAILING):
        return "failed"
    skipped = "skipped" in inside or case.get("status", "").lower() in NOT_RUN
    return "pending" if skipped else "passed"


def _outside(root: Element) -> Iterator[Element]:
    for suite in root.iter():
        if _tag(suite) in ("testsuites", "testsuite"):
            yield from (child for child in suite if _tag(child) in FAILING)


def _message(element: Element) -> str:
    """What a failure says: its short text, and the longer one where that does not repeat it."""
    short, long = element.get("message", "").strip(), (element.text or "").strip()
    return long if short in long else f"{short}\n{long}".strip()


def _example(case: Element) -> dict[str, Any]:
    group, name = case.get("classname", ""), case.get("name", "")
    failures = [child for child in case if _tag(child) in FAILING]
    example: dict[str, Any] = {
        "id": "::".join(part for part in (group, name) if part),
        "description": name,
        "full_description": f"{group} {name}".strip(),
        "status": _status(case),
        "file_path": case.get("file", ""),
        "line_number": _line(case.get("line", "")),
        "run_time": _seconds(case.get("time", "")),
    }
    if failures:
        said = "\n".join(map(_message, failures))
        example["exception"] = {"class": failures[0].get("type", ""), "message": said}
    return example


def _line(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _seconds(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def cleaned(data: bytes, clean: Callable[[str], str]) -> bytes:
    """The same file with `clean` applied to what the tests say; names and counts stay as they
    are, and so does every byte where nothing changes. Raises ValueError."""
    root = _parse(data)
    changes = [_clean(element, clean) for element in root.iter()]
    return tostring(root, encoding="utf-8", xml_declaration=True) if any(changes) else data


def _clean(element: Element, clean: Callable[[str], str]) -> bool:
    """Whether anything was changed."""
    told = {name: text for name in TOLD if (text := element.get(name))}
    changes = {name: after for name, text in told.items() if (after := clean(text)) != text}
    for name, after in changes.items():
        element.set(name, after)
    before = element.text or ""
    if before.strip():
        element.text = clean(before)
    return bool(changes) or element.text not in (before, None)
