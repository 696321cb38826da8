"""Reads one YAML document into plain values, as compose does, with every bound that a text from
outside needs: length, depth, and what aliases unfold to.

Compose reads YAML 1.2: `yes` and `12:30` are strings. Keys are strings and given once; `<<` merges.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

LONGEST = 256_000
DEEPEST = 40
# What the document has when every alias is written out: values, and characters in them.
MOST_VALUES = 50_000
MOST_CHARACTERS = 600_000
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TAG = "tag:yaml.org,2002:"
MERGE = "<<"

INTEGER = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF|nan|NaN|NAN)")
WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class BadYaml(ValueError):
    """Says what is wrong and where, and how to mend it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(kw_only=True)
class _Weight:
    """What a value unfolds to."""

    values: int = 1
    characters: int = 0

    def add(self, other: "_Weight") -> None:
        self.values += other.values
        self.characters += other.characters


@dataclass(kw_only=True)
class _Composer:
    events: Iterator[Event]
    anchors: dict[str, tuple[Any, _Weight] | None] = field(default_factory=dict)

    def value(self, event: Event, depth: int) -> tuple[Any, _Weight]:
        if depth > DEEPEST:
            raise _at(event, f"is nested more than {DEEPEST} deep", "make it flatter")
        if isinstance(event, AliasEvent):
            return self._alias(event)
        anchor = getattr(event, "anchor", None)
        if anchor:
            self.anchors[anchor] = None
        found, weight = self._content(event, depth)
        if weight.values > MOST_VALUES or weight.characters > MOST_CHARACTERS:
            raise _at(event, "unfolds to far too much", "use fewer aliases")
        if anchor:
            self.anchors[anchor] = found, weight
        return found, weight

    def _alias(self, event: AliasEvent) -> tuple[Any, _Weight]:
        name = event.anchor or ""
        known = self.anchors.get(name)
        if known is None:
            why = "refers to itself" if name in self.anchors else "has no anchor before it"
            raise _at(event, f"the alias *{name[:60]} {why}", "name an anchor that is complete")
        found, weight = known
        return found, _Weight(values=weight.values, characters=weight.characters)

    def _content(self, event: Event, depth: int) -> tuple[Any, _Weight]:
        if isinstance(event, MappingStartEvent):
            _only(event, "map")
            return self._mapping(depth)
        if isinstance(event, SequenceStartEvent):
            _only(event, "seq")
            return self._sequence(depth)
        assert isinstance(event, ScalarEvent)
        return _scalar(event), _Weight(characters=len(event.value))

    def _sequence(self, depth: int) -> tuple[list[Any], _Weight]:
        items, weight = [], _Weight()
        while not isinstance(event := next(self.events), SequenceEndEvent):
            item, more = self.value(event, depth + 1)
            items.append(item)
            weight.add(more)
            _bound(weight, event)
        return items, weight

    def _mapping(self, depth: int) -> tuple[dict[str, Any], _Weight]:
        found: dict[str, Any] = {}
        merged: list[Any] = []
        weight = _Weight()
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = self._key(event, found)
            item, more = self.value(next(self.events), depth + 1)
            weight.add(more)
            weight.characters += len(key)
            _bound(weight, event)
            if key == MERGE and _is_plain(event):
                merged += _mappings(item, event)
            else:
                found[key] = item
        return _merge(found, merged), weight

    def _key(self, event: Event, found: dict[str, Any]) -> str:
        # A collection is not even read: it could be as deep as it likes.
        scalar = isinstance(event, ScalarEvent | AliasEvent)
        key = self.value(event, DEEPEST)[0] if scalar else None
        if not isinstance(key, str):
            shown = event.value[:60] if isinstance(event, ScalarEvent) else "a key"
            raise _at(event, f"{shown} is no string", "put the key in quotes")
        if key in found:
            raise _at(event, f"the key {key[:60]} is given twice", "keep one of them")
        return key


def read_yaml(text: str) -> Any:
    """The one document of this text: dicts with string keys, lists, strings, numbers, booleans
    and None. An empty text is None. Raises BadYaml."""
    if len(text) > LONGEST:
        raise BadYaml(f"has {len(text)} characters", f"at most {LONGEST} are read: make it shorter")
    try:
        text.encode()
        return _document(yaml.parse(text, Loader=LOADER))
    except UnicodeError:
        raise BadYaml("holds half a character", "write it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        raise _broken(error) from None
    except yaml.YAMLError:
        raise BadYaml("holds a control character", "take it out") from None


def _document(events: Iterator[Event]) -> Any:
    found: Any = None
    documents = 0
    for event in events:
        if isinstance(event, StreamStartEvent | StreamEndEvent):
            continue
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _at(event, "a second document begins", "keep one document: take out the ---")
            found, _ = _Composer(events=events).value(next(events), 1)
    return found


def _broken(error: yaml.MarkedYAMLError) -> BadYaml:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}: " if mark else ""
    problem = error.problem or error.context or "it cannot be read"
    return BadYaml(f"{place}{problem}"[:300], "make it valid YAML")


def _at(event: Event, message: str, remedy: str) -> BadYaml:
    mark = event.start_mark
    return BadYaml(f"line {mark.line + 1}: {message}" if mark else message, remedy)


def _bound(weight: _Weight, event: Event) -> None:
    if weight.values > MOST_VALUES or weight.characters > MOST_CHARACTERS:
        raise _at(event, "unfolds to far too much", "use fewer aliases")


def _is_plain(event: Event) -> bool:
    return isinstance(event, ScalarEvent) and not event.style


def _mappings(value: Any, event: Event) -> list[dict[str, Any]]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) for item in found):
        raise _at(event, "<< merges what is no mapping", "give it the alias of a mapping")
    return found


def _merge(found: dict[str, Any], merged: list[dict[str, Any]]) -> dict[str, Any]:
    """What is given here wins, then the first mapping that has it."""
    for mapping in merged:
        for key, value in mapping.items():
            found.setdefault(key, value)
    return found


def _only(event: Event, kind: str) -> None:
    tag = getattr(event, "tag", None)
    if tag not in (None, "!", TAG + kind):
        raise _unknown_tag(event, tag)


def _unknown_tag(event: Event, tag: str) -> BadYaml:
    shown = tag.replace(TAG, "!!")[:60]
    return _at(event, f"the tag {shown} is not read here", "take the tag out")


def _scalar(event: ScalarEvent) -> Any:
    if event.tag is None:
        return event.value if event.style else _plain(event.value)
    if event.tag in ("!", TAG + "str"):
        return event.value
    fits = TYPES.get(event.tag)
    found = _plain(event.value)
    if fits is None:
        raise _unknown_tag(event, event.tag)
    if not fits(found):
        raise _at(event, "the value is not what its tag says", "take the tag out")
    return found


TYPES: dict[str, Callable[[Any], bool]] = {
    TAG + "null": lambda value: value is None,
    TAG + "bool": lambda value: isinstance(value, bool),
    TAG + "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    TAG + "float": lambda value: isinstance(value, float),
}


def _plain(text: str) -> Any:
    """What an unquoted word stands for."""
    if text in WORDS:
        return WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if INTEGER.fullmatch(text):
        return _integer(text)
    if FLOAT.fullmatch(text):
        return _float(text)
    special = SPECIAL.fullmatch(text)
    if not special:
        return text
    if special[2].lower() == "nan":
        return math.nan
    return -math.inf if special[1] == "-" else math.inf


def _integer(text: str) -> Any:
    """A number that fits into 64 bits; compose reads a longer one as a fraction."""
    digits = text.replace("_", "").lstrip("+-")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 8 if digits[:1] == "0" else 10)
    digits = digits[2:] if digits[1:2] in ("b", "o", "x") else digits
    if not digits:
        return text
    if len(digits) > 64:
        return _float(text) if base == 10 else text
    number = int(digits, base) * (-1 if text.startswith("-") else 1)
    return number if -(2**63) <= number < 2**64 else float(number)


def _float(text: str) -> Any:
    try:
        return float(text.replace("_", ""))
    except ValueError:
        return text
