"""How a Dockerfile's ENV, ARG and WORKDIR read their values: quotes, escapes and variables.

Source: the Dockerfile reference, "Environment replacement". A RUN is left to its shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

VARIABLE = r"\$\{(?P<braced>\w+)(?:(?P<operator>:?[-+])(?P<word>[^}]*))?\}|\$(?P<name>\w+)"
UNQUOTED = re.compile(
    rf"{VARIABLE}|'(?P<literal>[^']*)'|\\(?P<escaped>.)|(?P<quote>\")|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)
QUOTED = re.compile(rf"{VARIABLE}|\\(?P<escaped>[\"\\$])|(?P<quote>\")|(?P<other>.)", re.DOTALL)


def words(text: str, variables: Mapping[str, str]) -> list[str]:
    """The words of `text`, unquoted, each variable replaced. What a variable stands for is never
    split, and an unset one is nothing."""
    found: list[str] = []
    open_word = False
    for token in _tokens(text):
        if token.groupdict().get("space"):
            open_word = False
            continue
        if not open_word:
            found.append("")
            open_word = True
        found[-1] += _value(token, variables)
    return found


def _tokens(text: str) -> Iterator[re.Match[str]]:
    at, quoted = 0, False
    while token := (QUOTED if quoted else UNQUOTED).match(text, at):
        quoted ^= bool(token["quote"])
        at = token.end()
        yield token


def _value(token: re.Match[str], variables: Mapping[str, str]) -> str:
    if token["name"]:
        return variables.get(token["name"], "")
    if token["braced"]:
        return _braced(token, variables)
    groups = token.groupdict()
    return groups.get("literal") or groups.get("escaped") or groups.get("other") or ""


def _braced(token: re.Match[str], variables: Mapping[str, str]) -> str:
    value, operator = variables.get(token["braced"]), token["operator"] or ""
    given = bool(value) if operator.startswith(":") else value is not None
    word = " ".join(words(token["word"] or "", variables))
    if operator.endswith("+"):
        return word if given else ""
    if operator.endswith("-"):
        return value or "" if given else word
    return value or ""
