"""From JSON to an object of a known kind: unknown fields, wrong types, canonical form.

What is known of the fields comes with the client package, whose models are made from the API's own
OpenAPI description. Null and empty values are dropped, as the real API drops them.
"""

import base64
import binascii
import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kubernetes.client import models

from . import quantity
from .clock import iso, iso_micro, parse_time
from .schema_tables import ALWAYS, MICRO_TIMES, QUANTITIES, WIDE


class WrongType(Exception):
    """A value that cannot be what its field is; the message is that of the real decoder."""


@dataclass
class Decoded:
    """`unknown` are the complaints of strict validation, in order."""

    value: dict[str, Any]
    unknown: list[str] = field(default_factory=list)


class _WithDuplicates(dict[str, Any]):
    """A JSON object that names some of its keys more than once."""

    duplicates: tuple[str, ...] = ()


def with_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For json.loads: keys that come twice are remembered, the last one counts."""
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    keys = [key for key, _ in pairs]
    noted = _WithDuplicates(made)
    noted.duplicates = tuple(key for key in made if keys.count(key) > 1)
    return noted


def decode(model: str, raw: dict[str, Any]) -> Decoded:
    """Raises WrongType."""
    walk = _Walk()
    value = walk.model(model, raw, "", "")
    return Decoded(value=value, unknown=walk.unknown)


@dataclass(frozen=True, kw_only=True)
class _Field:
    json_name: str
    type: str
    quantity: bool
    micro: bool


@cache
def _fields(model: str) -> dict[str, _Field]:
    known = getattr(models, model)
    quantities, micros = QUANTITIES.get(model, set()), MICRO_TIMES.get(model, set())
    return {
        json_name: _Field(
            json_name=json_name,
            type=known.openapi_types[name],
            quantity=json_name in quantities,
            micro=json_name in micros,
        )
        for name, json_name in known.attribute_map.items()
    }


_LIST = re.compile(r"List\[(.+)\]")
_DICT = re.compile(r"Dict\[str, (.+)\]")


class _Walk:
    def __init__(self) -> None:
        self.unknown: list[str] = []

    def model(self, model: str, raw: Any, path: str, go_path: str) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise _wrong(raw, go_path, f"v1.{_go_name(model)}")
        self._note_duplicates(raw, path)
        fields, value = _fields(model), {}
        for name, item in raw.items():
            here = f"{path}.{name}" if path else name
            known = fields.get(name)
            if known is None:
                self.unknown.append(f'unknown field "{here}"')
            elif item is not None:
                where = f"{go_path.partition('.')[2]}.{name}".lstrip(".")
                found = self._field(known, item, here, f"{_go_name(model)}.{where}")
                if found is not None:
                    value[name] = found
        for name, zero in ALWAYS.get(model, ()):
            value.setdefault(name, copy.deepcopy(zero))
        return value

    def _note_duplicates(self, raw: dict[str, Any], path: str) -> None:
        if isinstance(raw, _WithDuplicates):
            places = (f"{path}.{name}" if path else name for name in raw.duplicates)
            self.unknown += [f'duplicate field "{place}"' for place in places]

    def _field(self, known: _Field, raw: Any, path: str, go_path: str) -> Any:
        value = self._typed(known, known.type, raw, path, go_path)
        empty = value in ("", [], {}) and _dropped_when_empty(known)
        return None if empty else value

    def _typed(self, known: _Field, type: str, raw: Any, path: str, go_path: str) -> Any:
        if known.quantity and type == "str":
            return _quantity(raw)
        if convert := _SCALARS.get(type):
            return convert(known, raw, go_path)
        if found := _LIST.fullmatch(type):
            return self._list(known, found[1], raw, path, go_path)
        if found := _DICT.fullmatch(type):
            return self._dict(known, found[1], raw, path, go_path)
        return self.model(type, raw, path, go_path)

    def _list(self, known: _Field, of: str, raw: Any, path: str, go_path: str) -> list[Any]:
        if not isinstance(raw, list):
            raise _wrong(raw, go_path, f"[]{_go_type(known, of)}")
        items = enumerate(raw)
        return [self._typed(known, of, item, f"{path}[{i}]", go_path) for i, item in items]

    def _dict(self, known: _Field, of: str, raw: Any, path: str, go_path: str) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise _wrong(raw, go_path, f"map[string]{_go_type(known, of)}")
        self._note_duplicates(raw, path)
        items = ((key, item) for key, item in raw.items() if item is not None or of == "str")
        return {
            key: self._typed(known, of, "" if item is None else item, f"{path}.{key}", go_path)
            for key, item in items
        }


def _dropped_when_empty(known: _Field) -> bool:
    """Strings, lists and maps; an empty object means something (emptyDir: {})."""
    return known.type == "str" or known.type.startswith(("List[", "Dict["))


def _string(known: _Field, raw: Any, go_path: str) -> str:
    if not isinstance(raw, str):
        raise _wrong(raw, go_path, "string")
    return raw


def _bytes(known: _Field, raw: Any, go_path: str) -> str:
    text = _string(known, raw, go_path)
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        wrong = next((i for i, c in enumerate(text) if not (c.isalnum() or c in "+/=")), len(text))
        raise WrongType(f"illegal base64 data at input byte {wrong}") from None
    return text


def _boolean(known: _Field, raw: Any, go_path: str) -> bool:
    if not isinstance(raw, bool):
        raise _wrong(raw, go_path, "bool")
    return raw


def _integer(known: _Field, raw: Any, go_path: str) -> int:
    bits = 64 if known.json_name in WIDE else 32
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _wrong(raw, go_path, f"int{bits}")
    if raw != int(raw) or not -(2 ** (bits - 1)) <= raw < 2 ** (bits - 1):
        raise _wrong(raw, go_path, f"int{bits}", shown=f"number {raw}")
    return int(raw)


def _number(known: _Field, raw: Any, go_path: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _wrong(raw, go_path, "float64")
    return raw


def _time(known: _Field, raw: Any, go_path: str) -> str:
    text = _string(known, raw, go_path)
    try:
        moment = parse_time(text)
    except ValueError:
        layout = "2006-01-02T15:04:05.000000Z07:00" if known.micro else "2006-01-02T15:04:05Z07:00"
        raise WrongType(
            f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"'
        ) from None
    return iso_micro(moment) if known.micro else iso(moment)


def _int_or_string(known: _Field, raw: Any, go_path: str) -> Any:
    if isinstance(raw, bool | list | float) or (
        isinstance(raw, dict) and known.json_name == "port"
    ):
        raise _wrong(raw, go_path, "intstr.IntOrString")
    return raw


_SCALARS: dict[str, Callable[[_Field, Any, str], Any]] = {
    "str": _string,
    "bytes": _bytes,
    "bool": _boolean,
    "int": _integer,
    "float": _number,
    "datetime": _time,
    "object": _int_or_string,
}


def _quantity(raw: Any) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise WrongType(f"unable to parse quantity's suffix: {quantity.WRONG}")
    try:
        return quantity.canonical(str(raw))
    except ValueError as error:
        raise WrongType(str(error)) from None


def _wrong(raw: Any, go_path: str, wanted: str, shown: str = "") -> WrongType:
    return WrongType(
        f"json: cannot unmarshal {shown or _json_name(raw)} into Go struct field {go_path}"
        f" of type {wanted}"
    )


def _json_name(raw: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "bool", type(None): "null"}
    return names.get(type(raw), "number")


def _go_name(model: str) -> str:
    return re.sub(r"^(Core|Events)?V1", "", model)


def _go_type(known: _Field, type: str) -> str:
    if known.quantity:
        return "resource.Quantity"
    return {"str": "string", "bytes": "[]uint8", "int": "int32"}.get(type, f"v1.{_go_name(type)}")
