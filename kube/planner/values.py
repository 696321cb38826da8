"""Compose's ways to write a value: numbers as text, durations, sizes, switches, words."""

import math
import re
import shlex
from decimal import Decimal
from typing import Any

DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w)", re.ASCII)
SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
}
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp])?i?b?", re.IGNORECASE | re.ASCII)
NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+", re.ASCII)
LONGEST_TEXT = 40
POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
LONGEST_DURATION = 7 * 86400
LARGEST_SIZE = 2**50
LARGEST_NUMBER = 1_000_000
SWITCHES = {
    **dict.fromkeys(("true", "y", "yes", "on"), True),
    **dict.fromkeys(("false", "n", "no", "off"), False),
}
# Compose ends a command line at the first of these that stands outside of quotes.
OPERATORS = ";&|<>"


def as_text(value: Any) -> str | None:
    """A scalar as compose writes it into an environment; None for what has no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return _float_text(value) if isinstance(value, float) else None


def _float_text(value: float) -> str:
    """As Go's %v has it: 1.10 is 1.1, 3.0 is 3, and only very large or small ones have an
    exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    exact = Decimal(repr(value)).normalize()
    power = exact.adjusted()
    if -5 < power < 21 or not value:
        return format(exact, "f")
    mantissa = format(exact.scaleb(-power), "f")
    return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"


def seconds(text: str) -> float | None:
    """A duration such as `1m30s`; None where it is none, or longer than a week."""
    parts = DURATION.findall(text) if len(text) <= LONGEST_TEXT else []
    if text == "0":
        return 0.0
    if not parts or "".join(amount + unit for amount, unit in parts) != text:
        return None
    total = sum(float(amount) * SECONDS[unit] for amount, unit in parts)
    return total if total <= LONGEST_DURATION else None


def size(text: str) -> int | None:
    """Bytes of a size such as `512m` or `1.5gb`; None where it is none, or absurdly large."""
    found = SIZE.fullmatch(text.strip()) if len(text) <= LONGEST_TEXT else None
    if not found:
        return None
    total = float(found[1]) * 1024 ** POWER[(found[2] or "").lower()]
    return int(total) if total <= LARGEST_SIZE else None


def number(text: str) -> float | None:
    """A decimal number from 0 on; None where it is none, or absurdly large."""
    if len(text) > LONGEST_TEXT or not NUMBER.fullmatch(text):
        return None
    found = float(text)
    return found if found <= LARGEST_NUMBER else None


def whole(text: str) -> int | None:
    """A whole number from 0 on."""
    found = number(text)
    return int(found) if found is not None and found == int(found) else None


def switch(text: str) -> bool | None:
    return SWITCHES.get(text.lower())


class BadCommand(ValueError):
    """This line cannot be split into words; says why."""


def split(line: str) -> list[str]:
    """The words of a command line. No shell reads it: what would need one is refused, because
    compose quietly drops it. Raises BadCommand."""
    if any(operator in _unquoted(line) for operator in OPERATORS):
        raise BadCommand("it has a shell operator outside of quotes, and no shell reads it")
    try:
        return shlex.split(line)
    except ValueError:
        raise BadCommand("it has a quote that never ends") from None


def _unquoted(line: str) -> str:
    """The line without what is quoted or escaped."""
    return re.sub(r"\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"", "", line, flags=re.DOTALL)
