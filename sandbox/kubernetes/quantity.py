"""Resource quantities: 250m, 1.5, 64Mi, 1e3; stored in their canonical form, as the API does."""

import re
from decimal import Decimal
from functools import lru_cache

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_FORM = re.compile(
    r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?"
)

WRONG = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)


@lru_cache(maxsize=4096)
def parse(text: str) -> Decimal:
    """Raises ValueError with the words of the real API."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(WRONG)
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix in _BINARY:
        return number * _BINARY[suffix]
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix])
    return number.scaleb(int(suffix[1:]))


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The same quantity as the API writes it: the largest suffix without a fraction, within the
    family (binary, decimal, exponent) it came in. Fractions are rounded up to milli."""
    value = parse(text)
    family = _FORM.fullmatch(text)
    suffix = (family[2] or "") if family else ""
    milli = value.scaleb(3).to_integral_value(rounding="ROUND_CEILING")
    value = milli.scaleb(-3)
    if suffix in _BINARY and value == value.to_integral_value() and abs(value) >= 1024:
        return _in_binary(int(value))
    if suffix[:1] in ("e", "E") and suffix not in _DECIMAL:
        return _with_exponent(value)
    return _in_decimal(value)


def _in_binary(value: int) -> str:
    for suffix, factor in reversed(_BINARY.items()):
        if value and value % factor == 0:
            return f"{value // factor}{suffix}"
    return str(value)


def _in_decimal(value: Decimal) -> str:
    if not value:
        return "0"
    for suffix, power in reversed(_DECIMAL.items()):
        scaled = value.scaleb(-power)
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    return str(value)


def _with_exponent(value: Decimal) -> str:
    if not value:
        return "0"
    power = 0
    while value == value.to_integral_value() and int(value) % 1000 == 0:
        value, power = value.scaleb(-3), power + 3
    while value != value.to_integral_value():
        value, power = value.scaleb(3), power - 3
    return f"{int(value)}e{power}" if power else str(int(value))


def total(texts: list[str]) -> Decimal:
    return sum((parse(text) for text in texts), Decimal(0))


def text_of(value: Decimal, like: str = "") -> str:
    """A value as a quantity, binary when the one it is `like` is."""
    binary = like.endswith("i") and value == value.to_integral_value() and value >= 1024
    return _in_binary(int(value)) if binary else _in_decimal(value)
