"""Fields that take what they say and nothing else: no number for a string, no string for a
number. Each message says what to send instead."""

from difflib import get_close_matches
from typing import Any

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

MOST_NAMED = 20
MESSAGES = {
    "required": "Is missing: add it.",
    "null": "Is null: leave it out, or give a value.",
}


class Text(serializers.CharField):
    default_error_messages = {
        **MESSAGES,
        "invalid": "Is no string: put it in quotes.",
        "blank": "Is empty: leave it out, or give a value.",
        "max_length": "Is too long: {max_length} characters are allowed.",
    }

    def __init__(self, *, pattern: str = "", hint: str = "", **options: Any) -> None:
        """`hint` says what a text that fits the pattern looks like."""
        super().__init__(trim_whitespace=False, **options)
        if pattern:
            message = f"Does not fit: {hint}."
            self.validators.append(RegexValidator(rf"\A{pattern}\Z", message))

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "integer"}]})
class Identifier(Text):
    """An id of the caller's: a whole number is taken as the string of its digits."""

    default_error_messages = {"invalid": "Is no string and no whole number: give one of them."}

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(str(data) if type(data) is int else data)


class WholeNumber(serializers.IntegerField):
    default_error_messages = {
        **MESSAGES,
        "invalid": "Is no whole number: give one, without quotes or a decimal point.",
        "min_value": "Is too small: {min_value} is the least.",
        "max_value": "Is too large: {max_value} is the most.",
    }

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return int(data)


class Mapping(serializers.DictField):
    """A flat object of strings. `most` counts its entries, `name_pattern` is for their names."""

    default_error_messages = {**MESSAGES, "not_a_dict": "Is no object: put it in curly brackets."}

    def __init__(self, *, most: int, **options: Any) -> None:
        super().__init__(**options)
        self.most = most

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if isinstance(data, dict) and len(data) > self.most:
            raise ValidationError(f"Has {len(data)} entries: {self.most} are allowed.")
        wrong = {}
        if isinstance(data, dict):
            wrong = {name: why for name in data if (why := self.refuse_name(name))}
        if wrong:
            raise ValidationError(wrong)
        found: dict[str, str] = super().to_internal_value(data)
        return found

    def refuse_name(self, name: str) -> str:
        """Why this name cannot be taken; empty where it can."""
        return ""


class Items(serializers.ListField):
    default_error_messages = {
        **MESSAGES,
        "not_a_list": "Is no list: put it in square brackets.",
        "empty": "Is empty: leave it out, or name at least one.",
        "max_length": "Is too long: {max_length} entries are allowed.",
    }

    def to_internal_value(self, data: Any) -> list[Any]:
        """Too long a list is refused before its entries are looked at."""
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        found: list[Any] = super().to_internal_value(data)
        return found


class Request(serializers.Serializer[Any]):
    """What may be sent; any other name is refused.

    Make one instance and keep it: `read` changes nothing in it, and making one costs more than
    reading with it.
    """

    default_error_messages = {**MESSAGES, "invalid": "Is no object: put it in curly brackets."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        known = self.fields
        unknown = [name for name in data if name not in known] if isinstance(data, dict) else []
        if unknown:
            raise ValidationError({name: self._advice(name) for name in unknown[:MOST_NAMED]})
        found: dict[str, Any] = super().to_internal_value(data)
        return found

    def _advice(self, name: str) -> str:
        close = get_close_matches(name, self.fields, n=1, cutoff=0.75)
        return f"Is unknown: did you mean {close[0]}?" if close else "Is unknown: leave it out."

    def read(self, data: Any) -> dict[str, Any]:
        """The values with their defaults. Raises ValidationError naming each wrong field."""
        found: dict[str, Any] = self.run_validation(data)
        return found
