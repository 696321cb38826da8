"""Compose's interpolation: `$V`, `${V}`, `${V:-d}`, `${V-d}`, `${V:?e}`, `${V?e}`, `${V:+x}`,
`${V+x}`, `$$`, nested as deep as anybody needs.

A text is parsed once and rendered for each Task, since only a Task has values for its variables.
Source: the Compose specification, "Interpolation", and compose-go's reading of it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

DEEPEST = 20
PLAIN = re.compile(r"[^$]+")
NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:?[-+?])?")
BRACES = re.compile(r"[{}]")


class BadTemplate(ValueError):
    """This text cannot be interpolated; says why."""


class Missing(ValueError):
    """A variable is needed and not set."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"the variable {name} is not set" + (f": {message}" if message else ""))
        self.name = name


@dataclass(frozen=True)
class Variable:
    """`operator` is one of `:-`, `-`, `:?`, `?`, `:+`, `+` and "", `word` what follows it."""

    name: str
    operator: str = ""
    word: "Template | None" = None

    def render(self, variables: Mapping[str, str]) -> str:
        """Raises Missing."""
        value = variables.get(self.name)
        given = bool(value) if self.operator.startswith(":") else value is not None
        if self.operator.endswith("+"):
            return self._word(variables) if given else value or ""
        if given or not self.operator:
            return value or ""
        if self.operator.endswith("-"):
            return self._word(variables)
        raise Missing(self.name, self._word(variables))

    def _word(self, variables: Mapping[str, str]) -> str:
        return self.word.render(variables) if self.word else ""

    def names(self) -> Iterator[str]:
        yield self.name
        if self.word:
            yield from self.word.names()


@dataclass(frozen=True)
class Template:
    parts: tuple[str | Variable, ...] = ()

    @classmethod
    def literal(cls, text: str) -> "Template":
        return cls((text,) if text else ())

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Raises BadTemplate."""
        return cls(tuple(_joined(_parse(text, 0))))

    @property
    def fixed(self) -> bool:
        """Whether no variable can change it."""
        return all(isinstance(part, str) for part in self.parts)

    def render(self, variables: Mapping[str, str]) -> str:
        """Unset variables are empty. Raises Missing."""
        return "".join(
            part if isinstance(part, str) else part.render(variables) for part in self.parts
        )

    def names(self) -> Iterator[str]:
        """Every variable in it, also those within words that may not be used."""
        for part in self.parts:
            if isinstance(part, Variable):
                yield from part.names()

    def depends_on(self, variables: Mapping[str, str]) -> bool:
        """Whether one of these could be in what it renders to."""
        return any(name in variables for name in self.names())


def _joined(parts: Iterator[str | Variable]) -> Iterator[str | Variable]:
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if text:
            yield text
        text = ""
        yield part
    if text:
        yield text


def _parse(text: str, depth: int) -> Iterator[str | Variable]:
    at = 0
    while at < len(text):
        part, at = _next(text, at, depth)
        yield part


def _next(text: str, at: int, depth: int) -> tuple[str | Variable, int]:
    if plain := PLAIN.match(text, at):
        return plain[0], plain.end()
    if text.startswith("$$", at):
        return "$", at + 2
    if text.startswith("${", at):
        return _braced(text, at, depth)
    if name := NAME.match(text, at):
        return Variable(name[1]), name.end()
    return "$", at + 1


def _braced(text: str, at: int, depth: int) -> tuple[Variable, int]:
    if depth == DEEPEST:
        raise BadTemplate(f"variables are nested more than {DEEPEST} deep")
    end = _closing(text, at + 2)
    inside = text[at + 2 : end]
    head = BRACED.match(inside)
    if not head or (head.end() < len(inside) and not head[2]):
        raise BadTemplate(f"`${{{inside[:60]}}}` is no variable")
    operator = head[2] or ""
    word = Template(tuple(_joined(_parse(inside[head.end() :], depth + 1)))) if operator else None
    return Variable(head[1], operator, word), end + 1


def _closing(text: str, at: int) -> int:
    """Where the brace that is open at `at` is closed. Braces within count, as compose has it."""
    level = 1
    for brace in BRACES.finditer(text, at):
        level += 1 if brace[0] == "{" else -1
        if level == 0:
            return brace.start()
    raise BadTemplate(f"`{text[max(at - 2, 0) : at + 58]}` has no closing brace")


def rendered(
    text: str, variables: Mapping[str, str], on_unset: Callable[[str], None]
) -> tuple[str, tuple[str, ...]]:
    """The text for these variables, and the names in it. Raises BadTemplate or Missing.
    `on_unset` hears of each that is empty because nobody set it."""
    if "$" not in text:
        return text, ()
    template = Template.parse(text)
    for part in template.parts:
        if isinstance(part, Variable) and not part.operator and part.name not in variables:
            on_unset(part.name)
    return template.render(variables), tuple(template.names())
