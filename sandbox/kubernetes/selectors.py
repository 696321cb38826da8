"""Label and field selectors, as queries name them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import bad_request
from .resources import Resource

Labels = Mapping[str, str]
Test = Callable[[Labels], bool]

_PART = re.compile(
    r"\s*(?:"
    r"(?P<set_key>[^\s,=!()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)"
    r"|(?P<key>[^\s,=!()]+)\s*(?P<equals>==|=|!=)\s*(?P<value>[^\s,=!()]*)"
    r"|(?P<absent>!)\s*(?P<absent_key>[^\s,=!()]+)"
    r"|(?P<present>[^\s,=!()]+)"
    r")\s*(?:,|$)"
)


def label_test(text: str) -> Test | None:
    """Whether labels match a labelSelector; None for one that matches everything."""
    tests, position = [], 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            found = text[position:].strip()
            expected = "in, notin, =, ==, !=, gt, lt"
            raise bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")
        tests.append(_requirement(part))
        position = part.end()
    if not tests:
        return None
    return lambda labels: all(test(labels) for test in tests)


def _requirement(part: re.Match[str]) -> Test:
    if part["op"]:
        key, values = part["set_key"], {value.strip() for value in part["values"].split(",")}
        if part["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if part["equals"]:
        key, value = part["key"], part["value"]
        if part["equals"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if part["absent"]:
        key = part["absent_key"]
        return lambda labels: key not in labels
    key = part["present"]
    return lambda labels: key in labels


def field_test(resource: Resource, text: str) -> Callable[[Mapping[str, Any]], bool] | None:
    """Whether an object matches a fieldSelector; None for one that matches everything."""
    tests = [_field_requirement(resource, part) for part in text.split(",") if part.strip()]
    if not tests:
        return None
    return lambda obj: all(test(obj) for test in tests)


def _field_requirement(resource: Resource, part: str) -> Callable[[Mapping[str, Any]], bool]:
    name, operator, value = re.fullmatch(r"([^=!]*)(==|=|!=)?(.*)", part.strip()).groups()  # type: ignore[union-attr]
    if not operator:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    if name not in ("metadata.name", "metadata.namespace", *resource.fields):
        raise bad_request(_unsupported(resource, name))
    wanted = operator != "!="
    return lambda obj: (field_of(resource, obj, name) == value) is wanted


def _unsupported(resource: Resource, name: str) -> str:
    if resource.group:
        return f'field label "{name}" not supported for {resource.kind}'
    return f"field label not supported: {name}"


def field_of(resource: Resource, obj: Mapping[str, Any], name: str) -> str:
    """The value of a field as selectors see it; "" where it is absent."""
    if resource.plural == "events" and name == "source":
        name = "source.component"
    value: Any = obj
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "false" if name == "spec.unschedulable" else _zero(name)
    return str(value)


def _zero(name: str) -> str:
    return "0" if name == "status.successful" else ""


def matches_selector(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether labels match a LabelSelector object."""
    exact = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in exact.items()):
        return False
    return all(_expression(item, labels) for item in selector.get("matchExpressions") or ())


def _expression(item: Mapping[str, Any], labels: Labels) -> bool:
    key, values = item["key"], item.get("values") or ()
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[item["operator"]]
