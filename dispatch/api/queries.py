"""What may stand behind the question mark: every name known, none given twice."""

from typing import Any

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from dispatch.api.fields import Request
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
    default_error_messages = {"invalid": "Is no whole number: give one."}


class Cursor(serializers.UUIDField):
    default_error_messages = {"invalid": "Is no cursor: give the `next` of the page before."}


class Page(Query):
    limit = Number(default=50, min_value=1, max_value=LARGEST_PAGE)
    cursor = Cursor(required=False, help_text="The `next` of the page before.")


class LabelFilter(serializers.CharField):
    """`name=value`."""

    def to_internal_value(self, data: Any) -> Any:
        name, separator, value = super().to_internal_value(data).partition("=")
        if not name or not separator:
            raise ValidationError("Is no label: give name=value.")
        return name, value


class TaskQuery(Page):
    """Newest first. Several filters narrow the list together."""

    lists = frozenset({"label"})

    account = serializers.CharField(required=False)
    suite_run_id = serializers.CharField(required=False)
    repository = serializers.CharField(required=False)
    state = serializers.ChoiceField(required=False, choices=TaskState.choices)
    backend = serializers.CharField(required=False, help_text="Of the newest attempt.")
    label = serializers.ListField(  # type: ignore[assignment]
        required=False, child=LabelFilter(), max_length=10, help_text="name=value; repeatable"
    )
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)


class WebhookQuery(Page):
    state = serializers.ChoiceField(required=False, choices=WEBHOOK_STATES)


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


TASKS = TaskQuery()
WEBHOOKS = WebhookQuery()
EVENTS = EventQuery()
ATTEMPT = AttemptQuery()
LOG = LogQuery()
