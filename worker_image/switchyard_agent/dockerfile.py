"""Reads a Dockerfile into instructions, and says which of them make its last stage.

Source: the Dockerfile reference: parser directives, comments, continuations, here-documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import BuildFailed
from .substitution import words

KEYWORDS = frozenset(
    ("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL")
    + ("MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR")
)
WITH_HERE_DOCUMENTS = ("RUN", "COPY", "ADD")
DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*$")
HERE_DOCUMENT = re.compile(r"(?:^|(?<=\s))\d*<<(-?)(['\"]?)([A-Za-z_]\w*)\2(?=$|[\s;|&)>])")
FLAG = re.compile(r"--[a-z]+(?:=(?:\"[^\"]*\"|\S)*)?\s+")


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """`text` is what follows the keyword and its `flags` (`--mount=…`) on the joined line.
    `here_documents` are the bodies as they stand, with the line that ends them."""

    line: int
    keyword: str
    text: str
    flags: tuple[str, ...] = ()
    here_documents: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.keyword} {self.text}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`global_args` stand before the first FROM; `steps` make the last stage, with the stages it
    is built upon, its own FROM lines among them."""

    global_args: tuple[Instruction, ...]
    steps: tuple[Instruction, ...]


def read_plan(text: str) -> Plan:
    """Raises BuildFailed naming the line."""
    instructions = list(parse(text))
    starts = [at for at, step in enumerate(instructions) if step.keyword == "FROM"]
    if not starts:
        raise BuildFailed("the Dockerfile has no FROM: it must name a base image")
    global_args = tuple(step for step in instructions[: starts[0]] if step.keyword == "ARG")
    ends = [*starts[1:], len(instructions)]
    stages = [instructions[start:end] for start, end in zip(starts, ends, strict=True)]
    return Plan(global_args=global_args, steps=tuple(_chain(stages)))


def parse(text: str) -> Iterator[Instruction]:
    lines = text.lstrip("\ufeff").splitlines()
    escape = _escape(lines)
    at = 0
    while at < len(lines):
        first = at
        joined, at = _join(lines, at, escape)
        if joined:
            instruction, at = _instruction(joined, first, lines, at)
            yield instruction


def _escape(lines: list[str]) -> str:
    """The character that continues a line, which a directive at the top may change."""
    for line in lines:
        if not (directive := DIRECTIVE.match(line.strip())):
            break
        if directive[1].lower() == "escape":
            return directive[2]
    return "\\"


def _join(lines: list[str], at: int, escape: str) -> tuple[str, int]:
    """The logical line that begins at `at`, and where the next one does. Comments and empty lines
    inside it are left out, as Docker does."""
    joined = ""
    while at < len(lines):
        line, at = lines[at], at + 1
        if not line.strip() or line.lstrip().startswith("#"):
            if joined:
                continue
            break
        continued = line.rstrip().endswith(escape)
        joined += line.rstrip()[:-1] if continued else line
        if not continued:
            break
    return joined.strip(), at


def _instruction(joined: str, first: int, lines: list[str], at: int) -> tuple[Instruction, int]:
    word, _, text = re.sub(r"\s+", " ", joined, count=1).partition(" ")
    keyword = word.upper()
    if keyword not in KEYWORDS:
        raise BuildFailed(f"line {first + 1} of the Dockerfile: {word} is no instruction")
    bodies = []
    if keyword in WITH_HERE_DOCUMENTS:
        for dash, _quote, name in HERE_DOCUMENT.findall(text):
            body, at = _body(lines, at, name, tabs=bool(dash))
            bodies.append(body)
    flags = []
    while flag := FLAG.match(text):
        flags.append(flag[0].strip())
        text = text[flag.end() :]
    instruction = Instruction(
        line=first + 1,
        keyword=keyword,
        text=text,
        flags=tuple(flags),
        here_documents=tuple(bodies),
    )
    return instruction, at


def _body(lines: list[str], at: int, name: str, *, tabs: bool) -> tuple[str, int]:
    body = ""
    for index in range(at, len(lines)):
        line = lines[index].lstrip("\t") if tabs else lines[index]
        body += line + "\n"
        if line == name:
            return body, index + 1
    raise BuildFailed(f"line {at} of the Dockerfile: its here-document {name} never ends")


def _chain(stages: list[list[Instruction]]) -> Iterator[Instruction]:
    """The last stage after the one that it is FROM, and so on."""
    names: dict[str, int] = {}
    bases: list[str] = []
    for index, (start, *_) in enumerate(stages):
        base, *alias = words(start.text, {})[:3] or [""]
        bases.append(base.lower())
        names[str(index)] = index
        if alias[:1] and alias[0].upper() == "AS" and len(alias) > 1:
            names[alias[1].lower()] = index
    wanted: int | None = len(stages) - 1
    chain: list[list[Instruction]] = []
    while wanted is not None:
        chain.insert(0, stages[wanted])
        below = names.get(bases[wanted])
        wanted = below if below is not None and below < wanted else None
    return (step for stage in chain for step in stage)
