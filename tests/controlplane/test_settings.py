"""docs/settings.md and the code name the same variables, with the same defaults."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("controlplane", "dispatch", "droplets", "kube", "worker_image", "sandbox")
VARIABLE = re.compile(r"\b(?:SWITCHYARD_[A-Z0-9_]*[A-Z0-9]|DATABASE_URL)\b")
ROW = re.compile(r"^\| `(?P<name>[A-Z0-9_]+)` \| (?P<default>[^|]+) \| (?P<text>[^|]+) \|$")


def documented() -> dict[str, str]:
    """The defaults by variable, of the rooms that there are: a room may have been deleted."""
    found: dict[str, str] = {}
    room_is_there = True
    for line in (ROOT / "docs" / "settings.md").read_text().splitlines():
        if line.startswith("## "):
            room = re.search(r"\(`(\w+)/`\)", line)
            room_is_there = room is None or (ROOT / room[1]).is_dir()
        row = ROW.match(line)
        if row and room_is_there:
            assert row["name"] not in found, f"{row['name']} is documented twice"
            found[row["name"]] = row["default"].strip()
    return found


def modules() -> Iterator[ast.Module]:
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            yield ast.parse(path.read_text())


def named() -> set[str]:
    """Every variable that a text in the code names, messages and shell scripts included."""
    texts = (
        node.value
        for module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {name for text in texts for name in VARIABLE.findall(text)}


def defaults() -> dict[str, Any]:
    """The default of each variable that is read with one written out in the code."""
    found: dict[str, Any] = {}
    for call in (node for module in modules() for node in ast.walk(module)):
        if isinstance(call, ast.Call) and not _is_get(call.func):
            values = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
            for name, default in pairwise(values):
                if isinstance(name, str) and VARIABLE.fullmatch(name):
                    found[name] = default
    return found


def _is_get(function: ast.expr) -> bool:
    """A mapping's `get` gives what stands for "not set" there, which need be no default."""
    return isinstance(function, ast.Attribute) and function.attr == "get"


def test_every_variable_that_the_code_names_is_documented() -> None:
    assert named() - documented().keys() == set()


def test_every_variable_that_is_documented_is_named_in_the_code() -> None:
    assert documented().keys() - named() == set()


def test_the_documented_defaults_are_those_of_the_code() -> None:
    rows = documented()
    found = defaults()
    assert len(found) > 20
    wrong = {name: rows[name] for name in found if rows[name] != as_written(found[name])}
    assert wrong == {}


def as_written(default: Any) -> str:
    if default == "":
        return "empty"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
