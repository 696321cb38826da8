"""Reads a Dockerfile into instructions, line by line as BuildKit's parser does.

Source: the Dockerfile reference, and moby/buildkit `frontend/dockerfile/parser`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

LONGEST_LINE = 65_000
KEYWORDS = frozenset(
    ("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL")
    + ("MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR")
)
WITH_HERE_DOCUMENTS = frozenset(("ADD", "COPY", "RUN"))
DIRECTIVES = ("syntax", "escape", "check")
DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*?)\s*")
KEYWORD = re.compile(r"(\S+)[\t\v\f\r ]*", re.ASCII)
WORD = re.compile(r"""(?:[^\s'"\\]|\\.?|'[^']*'|"(?:[^"\\]|\\.)*")+""", re.DOTALL)
HERE_DOCUMENT = re.compile(r"\d*<<(-?)\s*([^<]+)", re.DOTALL)


class BadDockerfile(ValueError):
    """This line breaks the file; says how."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, kw_only=True)
class HereDocument:
    """`expands`: its delimiter is not quoted, so variables in the body are replaced."""

    body: str
    expands: bool


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """`flags` are unquoted, as in `--mount=type=cache,target=/x`; `text` is what follows them, on
    one line. `trigger`: it stands behind ONBUILD."""

    line: int
    keyword: str
    flags: tuple[str, ...]
    text: str
    trigger: bool = False
    here_documents: tuple[HereDocument, ...] = ()


def parse(text: str) -> tuple[Instruction, ...]:
    """Raises BadDockerfile."""
    lines = [line.rstrip("\r") for line in text.removeprefix("\ufeff").split("\n")]
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            raise BadDockerfile(number, f"it is longer than {LONGEST_LINE} characters")
        if "\0" in line:
            raise BadDockerfile(number, "it holds a NUL character")
    return tuple(_Parser(lines).instructions())


class _Parser:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0
        escape = re.escape(_escape(lines))
        self._continued = re.compile(rf"(?:^|(?<!{escape})){escape}[ \t]*$")
        self._flag = re.compile(
            rf"""--(?:[^\s'"{escape}]|{escape}(?:.|$)"""
            rf"""|'(?:[^'{escape}]|{escape}.)*(?:'|{escape}?$)"""
            rf"""|"(?:[^"{escape}]|{escape}.)*(?:"|{escape}?$))*(?=\s|$)""",
            re.DOTALL,
        )
        self._quoting = re.compile(rf"""{escape}(.)|['"]""", re.DOTALL)

    def instructions(self) -> Iterator[Instruction]:
        while self._at < len(self._lines):
            first = self._at + 1
            if joined := self._join():
                found = self._instruction(joined, first)
                yield replace(found, here_documents=tuple(self._here_documents(found, joined)))

    def _join(self) -> str:
        """The logical line that begins here; "" for none. Comments and empty lines inside it are
        left out."""
        line = self._lines[self._at].lstrip()
        self._at += 1
        if line.startswith("#"):
            return ""
        joined, open_end = self._cut(line)
        while open_end and self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            if line.strip() and not line.lstrip().startswith("#"):
                part, open_end = self._cut(line)
                joined.extend(part)
        return "".join(joined).strip()

    def _cut(self, line: str) -> tuple[list[str], bool]:
        found = self._continued.search(line)
        return ([line[: found.start()]], True) if found else ([line], False)

    def _instruction(self, joined: str, line: int) -> Instruction:
        head = KEYWORD.match(joined)
        keyword = head[1].upper() if head else ""
        if not head or keyword not in KEYWORDS:
            raise BadDockerfile(line, f"`{joined.split()[0][:40]}` is no instruction")
        if keyword == "ONBUILD":
            rest = joined[head.end() :].strip()
            if not rest or rest.split()[0].upper() in ("ONBUILD", "FROM", "MAINTAINER"):
                raise BadDockerfile(line, "ONBUILD needs an instruction that may follow it")
            return replace(self._instruction(rest, line), trigger=True)
        flags, text = self._flags(joined, head.end())
        return Instruction(line=line, keyword=keyword, flags=flags, text=text)

    def _flags(self, joined: str, at: int) -> tuple[tuple[str, ...], str]:
        flags: list[str] = []
        while True:
            while at < len(joined) and joined[at].isspace():
                at += 1
            found = self._flag.match(joined, at)
            if not found:
                return tuple(flags), joined[at:]
            at = found.end()
            if found[0] == "--":
                return tuple(flags), joined[at:].strip()
            flags.append(self._quoting.sub(lambda match: match[1] or "", found[0]))

    def _here_documents(self, found: Instruction, joined: str) -> Iterator[HereDocument]:
        if found.keyword not in WITH_HERE_DOCUMENTS or "<<" not in joined or is_json(found.text):
            return
        for word in words_of(joined):
            match = HERE_DOCUMENT.fullmatch(word)
            if match and (name := re.sub(r"""\\(.)|['"]""", r"\1", match[2]).strip()):
                quoted = "'" in match[2] or '"' in match[2]
                body = self._body(name, tabs=bool(match[1]), line=found.line)
                yield HereDocument(body=body, expands=not quoted)

    def _body(self, name: str, *, tabs: bool, line: int) -> str:
        first = self._at
        while self._at < len(self._lines):
            current = self._lines[self._at]
            self._at += 1
            if (current.lstrip("\t") if tabs else current) == name:
                return "\n".join(self._lines[first : self._at - 1])
        raise BadDockerfile(line, f"its here-document {name[:40]} never ends")


def _escape(lines: list[str]) -> str:
    """The character that continues a line and escapes: a directive at the top may change it."""
    seen: set[str] = set()
    escape = "\\"
    for number, line in enumerate(lines, start=1):
        directive = DIRECTIVE.fullmatch(line.strip())
        name = directive[1].lower() if directive else ""
        if not directive or name not in DIRECTIVES:
            break
        if name in seen:
            raise BadDockerfile(number, f"the directive {name} is given twice")
        seen.add(name)
        if name == "escape":
            if directive[2] not in ("\\", "`"):
                raise BadDockerfile(number, "the directive escape takes \\ or `")
            escape = directive[2]
    return escape


def words_of(text: str) -> list[str]:
    """The words as they stand, quotes and all."""
    return [match[0] for match in WORD.finditer(text)]


def is_json(text: str) -> bool:
    """Whether it is a list of strings, which no shell reads."""
    if not text.startswith("["):
        return False
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, list) and all(isinstance(item, str) for item in found)
