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


def documented(*, of_deleted_rooms: bool = False) -> dict[str, str]:
    """The defaults by variable. A room may have been deleted, and its section left."""
    found: dict[str, str] = {}
    counts = True
    for line in (ROOT / "docs" / "settings.md").read_text().splitlines():
        if line.startswith("## "):
            room = re.search(r"\(`(\w+)/`\)", line)
            counts = of_deleted_rooms or room is None or (ROOT / room[1]).is_dir()
        row = ROW.match(line)
        if row and counts:
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


def defaults() -> dict[str, set[str]]:
    """The defaults of each variable that is read with one written out in the code; the agent
    may have another in a pod than on a droplet."""
    found: dict[str, set[str]] = {}
    for call in (node for module in modules() for node in ast.walk(module)):
        if isinstance(call, ast.Call) and not _is_get(call.func):
            values = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
            for name, default in pairwise(values):
                if isinstance(name, str) and VARIABLE.fullmatch(name):
                    found.setdefault(name, set()).add(as_written(default))
    return found


def _is_get(function: ast.expr) -> bool:
    """A mapping's `get` gives what stands for "not set" there, which need be no default."""
    return isinstance(function, ast.Attribute) and function.attr == "get"


def told_by_rooms() -> set[str]:
    """What the parts of a pod tell each other is no setting: their rooms' READMEs list it."""
    readmes = [path for room in ROOMS for path in (ROOT / room).rglob("README.md")]
    return {name for path in readmes for name in VARIABLE.findall(path.read_text())}


def test_every_variable_that_the_code_names_is_documented() -> None:
    assert named() - documented(of_deleted_rooms=True).keys() - told_by_rooms() == set()


def test_every_variable_that_is_documented_is_named_in_the_code() -> None:
    assert documented().keys() - named() == set()


def test_the_documented_defaults_are_those_of_the_code() -> None:
    rows, found = documented(), defaults()
    both = found.keys() & rows.keys()
    assert len(both) > 20
    wrong = {name: rows[name] for name in both if rows[name] not in found[name]}
    assert wrong == {}


def as_written(default: Any) -> str:
    if default == "":
        return "empty"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
