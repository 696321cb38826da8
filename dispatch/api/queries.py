"""What may stand behind the question mark: every name known, none given twice."""

from collections.abc import Sequence
from typing import Any

from django.core.validators import ProhibitNullCharactersValidator
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from dispatch.api.fields import Items, Request
from dispatch.outcomes import TaskState

LARGEST_PAGE = 200
LARGEST_READ = 1_048_576
WEBHOOK_STATES = ("pending", "delivered", "failed")


class Query(Request):
    """`lists` names what may be given more than once."""

    lists: frozenset[str] = frozenset()

    def read_from(self, given: QueryDict) -> dict[str, Any]:
        twice = [name for name in given if len(given.getlist(name)) > 1 and name not in self.lists]
        if twice:
            raise ValidationError({name: "Is given more than once: keep one." for name in twice})
        return self.read(
            {name: given.getlist(name) if name in self.lists else given[name] for name in given}
        )


class Number(serializers.IntegerField):
    default_error_messages = {
        "invalid": "Is no whole number: give one.",
        "max_string_length": "Is too long for a number: give a smaller one.",
        "min_value": "Is too small: {min_value} is the least.",
        "max_value": "Is too large: {max_value} is the most.",
    }


class Word(serializers.CharField):
    default_error_messages = {"blank": "Is empty: leave it out, or give a value."}

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, trim_whitespace=False, **options)
        no_nul = ProhibitNullCharactersValidator("Holds a NUL character: remove it.")
        self.validators = [no_nul]


class OneOf(serializers.ChoiceField):
    def __init__(self, choices: Sequence[str], **options: Any) -> None:
        message = f"Is none that there is: use {', '.join(choices)}."
        messages: dict[str, Any] = {"invalid_choice": message}
        super().__init__(choices, required=False, error_messages=messages, **options)


class Time(serializers.DateTimeField):
    default_error_messages = {
        "invalid": "Is no time: give one as in 2026-11-23T18:45:00Z (with + written as %2B).",
        "overflow": "Is too far away: give a time nearer to now.",
    }


class Cursor(serializers.UUIDField):
    default_error_messages = {"invalid": "Is no cursor: give the `next` of the page before."}


class Page(Query):
    limit = Number(default=50, min_value=1, max_value=LARGEST_PAGE)
    cursor = Cursor(required=False, help_text="The `next` of the page before.")


class LabelFilter(Word):
    """`name=value`."""

    def to_internal_value(self, data: Any) -> Any:
        name, separator, value = super().to_internal_value(data).partition("=")
        if not name or not separator:
            raise ValidationError("Is no label: give name=value.")
        return name, value


class TaskQuery(Page):
    """Newest first. Several filters narrow the list together."""

    lists = frozenset({"label"})

    account = Word()
    suite_run_id = Word()
    repository = Word()
    state = OneOf(TaskState.values)
    backend = Word(help_text="Of the newest attempt.")
    label = Items(  # type: ignore[assignment]
        required=False, child=LabelFilter(), max_length=10, help_text="name=value; repeatable"
    )
    created_after = Time(required=False)
    created_before = Time(required=False)


class WebhookQuery(Page):
    state = OneOf(WEBHOOK_STATES)


class EventQuery(Query):
    after = Number(default=0, min_value=0, max_value=2**31 - 1, help_text="A `seq`.")
    limit = Number(default=200, min_value=1, max_value=1000)


class AttemptQuery(Query):
    attempt = Number(
        required=False, min_value=1, max_value=30_000, help_text="The newest one if left out."
    )


class LogQuery(AttemptQuery):
    offset = Number(default=0, min_value=0, max_value=2**62, help_text="In bytes.")
    limit = Number(default=LARGEST_READ, min_value=1, max_value=LARGEST_READ)


class ReadinessQuery(Query):
    days = Number(default=14, min_value=1, max_value=366, help_text="How far to look back.")


TASKS = TaskQuery()
WEBHOOKS = WebhookQuery()
EVENTS = EventQuery()
ATTEMPT = AttemptQuery()
LOG = LogQuery()
READINESS = ReadinessQuery()
