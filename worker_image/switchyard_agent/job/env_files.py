"""Env files of the compose file, read from the checkout as Docker Compose reads them.

Source: the Compose specification, `env_file` and "Interpolation"; the dotenv package of
compose-go. The raw format is that of `docker run --env-file`: each line as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import ServiceFailed
from ..plain_files import read_plain
from .plan import EnvFile, Plan

LARGEST_FILE = 1024 * 1024
ENTRY = re.compile(
    r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][\w.\-\[\]]*)[ \t]*"
    r"(?:(?P<given>[=:])[ \t]*(?P<value>"
    r"'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\"|[^\n]*)[^\n]*)?(?:\n|\Z)",
    re.DOTALL,
)
REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<braced>\w+)(?:(?P<operator>:?[-+?])(?P<word>[^}]*))?\}|(?P<name>\w+))"
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}


def read_env_files(plan: Plan, checkout: Path, task: Mapping[str, str]) -> dict[str, str]:
    """What env files set in the container of the tests, over what it has of the Task's variables
    `task`. Raises ServiceFailed naming the file and what is wrong with it."""
    found: dict[str, str] = {}
    follows_task = not any(file.task_variables for file in plan.env_files)
    for file in plan.env_files:
        if file.task_variables:
            follows_task = True
            continue
        values = _values(file, plan, checkout, {**found, **task})
        if not follows_task:
            values = {name: text for name, text in values.items() if name not in task}
        found |= values
    return {name: text for name, text in found.items() if name not in plan.environment_names}


def _values(file: EnvFile, plan: Plan, checkout: Path, known: Mapping[str, str]) -> dict[str, str]:
    where = f"env_file {file.path} of the service {plan.service}"
    try:
        text = _text(checkout, file.path)
    except OSError as error:
        if not file.required and isinstance(error, FileNotFoundError):
            return {}
        raise ServiceFailed(
            f"{where} cannot be read: {error.strerror}: commit it, or say `required: false`"
        ) from None
    try:
        return dict(_raw(text, known) if file.format == "raw" else _compose(text, known))
    except ValueError as error:
        raise ServiceFailed(f"{where}: {error}") from None


def _text(checkout: Path, path: str) -> str:
    """A link may lead elsewhere in the checkout, but not out of it: the agent sees more than the
    tests do. Raises OSError."""
    root = checkout.resolve()
    place = (root / path).resolve()
    if not place.is_relative_to(root):
        raise PermissionError(1, "it leads out of the checkout")
    data = read_plain(root, str(place.relative_to(root)), most=LARGEST_FILE)
    return data.decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n")


def _raw(text: str, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, given, value = line.lstrip().partition("=")
        if given:
            yield name, value
        elif name in known:
            yield name, known[name]


def _compose(text: str, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Raises ValueError naming the line. What was set further up in the file is known, too."""
    values = dict(known)
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end].strip()
        if not line or line.startswith("#"):
            at = end
            continue
        entry = ENTRY.match(text, at)
        if entry is None:
            number = text.count("\n", 0, at) + 1
            raise ValueError(f"line {number} is not NAME=VALUE")
        at = entry.end()
        value = _value(entry, values)
        if value is not None:
            values.setdefault(entry["name"], value)
            yield entry["name"], value


def _value(entry: re.Match[str], known: Mapping[str, str]) -> str | None:
    """None where the file only names a variable that nobody has set."""
    if not entry["given"]:
        return known.get(entry["name"])
    if entry["single"] is not None:
        return entry["single"].replace("\\'", "'")
    if entry["double"] is not None:
        return _expanded(re.sub(r"\\(.)", _unescaped, entry["double"], flags=re.DOTALL), known)
    if entry["value"][:1] in ("'", '"'):
        raise ValueError(f"the quote that begins the value of {entry['name']} never ends")
    return _expanded(re.sub(r"\s#.*", "", entry["value"]).strip(), known)


def _unescaped(found: re.Match[str]) -> str:
    return ESCAPES.get(found[1], found[0])


def _expanded(text: str, known: Mapping[str, str]) -> str:
    return REFERENCE.sub(lambda found: _replaced(found, known), text)


def _replaced(found: re.Match[str], known: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    name = found["braced"] or found["name"]
    value, operator = known.get(name), found["operator"] or ""
    given = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return _expanded(found["word"], known) if given else ""
    if given or not operator:
        return value or ""
    if operator.endswith("?"):
        raise ValueError(f"{name} is not set: {found['word']}")
    return _expanded(found["word"], known)
