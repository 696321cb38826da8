"""The shapes of the answers, for the schema. `answers` and its neighbours make them."""

from typing import Any

from rest_framework import serializers

from dispatch.api.requests import Paths
from dispatch.outcomes import Category, TaskState


class Shape(serializers.Serializer[Any]):
    """Described here, never used to make anything."""


class TaskShape(Shape):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=TaskState.choices)
    category = serializers.CharField(help_text="Why it ended; empty while it has not.")
    sentence = serializers.CharField(help_text="The same for people.")
    backend = serializers.CharField(help_text="Of the newest attempt; empty while there is none.")
    rule = serializers.CharField(help_text="The routing rule that chose the suite run's backend.")
    account = serializers.CharField()
    suite_run_id = serializers.CharField()
    repository = serializers.CharField()
    commit = serializers.CharField()
    branch = serializers.CharField()
    order_index = serializers.IntegerField()
    order_count = serializers.IntegerField()
    seed = serializers.IntegerField()
    project_name = serializers.CharField()
    user_id = serializers.CharField()
    github_installation_id = serializers.CharField()
    clone_url = serializers.CharField()
    paths = Paths()
    test_files = serializers.ListField(child=serializers.CharField(), allow_null=True)
    command = serializers.CharField(allow_null=True)
    timeout_seconds = serializers.IntegerField()
    priority = serializers.IntegerField()
    labels = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class AttemptShape(Shape):
    """One Assignment: when it reached what, by the server's clock."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    purpose = serializers.CharField()
    backend = serializers.CharField()
    category = serializers.ChoiceField(choices=Category.choices, allow_blank=True)
    sentence = serializers.CharField()
    exit_code = serializers.IntegerField(allow_null=True)
    example_count = serializers.IntegerField(allow_null=True)
    failure_count = serializers.IntegerField(allow_null=True)
    image_wait = serializers.FloatField(
        help_text="Seconds in the queue that it waited for an image which another attempt built."
    )
    image_from = serializers.UUIDField(
        allow_null=True, help_text="The attempt that built the image it runs, if it was another."
    )
    created_at = serializers.DateTimeField()
    placed_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    claimed_at = serializers.DateTimeField(allow_null=True)
    cloned_at = serializers.DateTimeField(allow_null=True)
    built_at = serializers.DateTimeField(allow_null=True)
    services_ready_at = serializers.DateTimeField(allow_null=True)
    tests_started_at = serializers.DateTimeField(allow_null=True)
    reported_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    released_at = serializers.DateTimeField(allow_null=True)


class TaskWithAttemptsShape(TaskShape):
    attempts = AttemptShape(many=True)


class TasksShape(Shape):
    tasks = TaskShape(many=True)
    next = serializers.UUIDField(allow_null=True, help_text="The next page's `cursor`.")


class SuiteRunShape(Shape):
    account = serializers.CharField()
    suite_run_id = serializers.CharField()
    backend = serializers.CharField()
    rule = serializers.CharField()
    tasks = TaskShape(many=True)


class EventShape(Shape):
    seq = serializers.IntegerField(help_text="Counts a Task's events from 1.")
    type = serializers.CharField()
    at = serializers.DateTimeField()
    assignment_id = serializers.UUIDField(allow_null=True)
    detail = serializers.DictField()


class EventsShape(Shape):
    events = EventShape(many=True)
    next = serializers.IntegerField(allow_null=True, help_text="The next page's `after`.")


class LogStreamShape(Shape):
    attempt = serializers.IntegerField()
    name = serializers.CharField()
    length = serializers.IntegerField(help_text="In bytes.")
    cut_from = serializers.IntegerField(allow_null=True, help_text="What is missing in the middle.")
    cut_to = serializers.IntegerField(allow_null=True)
    url = serializers.CharField()


class LogsShape(Shape):
    streams = LogStreamShape(many=True)


class SummaryShape(Shape):
    complete = serializers.BooleanField(help_text="Every results file could be read whole.")
    example_count = serializers.IntegerField()
    failure_count = serializers.IntegerField()
    pending_count = serializers.IntegerField()
    errors_outside_count = serializers.IntegerField()
    exit_code = serializers.IntegerField(allow_null=True)


class ResultFileShape(Shape):
    name = serializers.CharField()
    complete = serializers.BooleanField()
    at = serializers.DateTimeField()


class ExampleShape(Shape):
    id = serializers.CharField()
    description = serializers.CharField()
    status = serializers.CharField()
    file_path = serializers.CharField()
    line_number = serializers.IntegerField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)
    message = serializers.CharField()


class ArtifactShape(Shape):
    name = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField()
    url = serializers.CharField()


class ResultsShape(Shape):
    attempt = serializers.IntegerField()
    summary = SummaryShape()
    files = ResultFileShape(many=True)
    examples = ExampleShape(many=True)
    examples_left_out = serializers.IntegerField()
    artifacts = ArtifactShape(many=True)


class WebhookShape(Shape):
    id = serializers.UUIDField()
    task_id = serializers.UUIDField()
    type = serializers.CharField()
    sequence = serializers.IntegerField(help_text="Counts a Task's webhooks from 1, without gaps.")
    state = serializers.CharField(help_text="pending, delivered or failed")
    attempts = serializers.IntegerField()
    last_status = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField()
    created_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    failed_at = serializers.DateTimeField(allow_null=True)
    payload = serializers.DictField()


class WebhooksShape(Shape):
    webhooks = WebhookShape(many=True)
    next = serializers.UUIDField(allow_null=True, help_text="The next page's `cursor`.")


class SplitShape(Shape):
    configuration_version = serializers.IntegerField()
    weight = serializers.IntegerField()
    actor = serializers.CharField()
    actor_kind = serializers.CharField()
    reason = serializers.CharField()
    at = serializers.DateTimeField()


class WeightShape(Shape):
    weight = serializers.IntegerField(help_text="Thousandths of a percent to the new backend.")
    percent = serializers.FloatField()
    old_backend = serializers.CharField()
    new_backend = serializers.CharField()
    configuration_version = serializers.IntegerField(allow_null=True)
    entry = SplitShape(allow_null=True, help_text="Who set it, and why.")


class RolloutShape(Shape):
    id = serializers.IntegerField()
    salt = serializers.CharField()
    old_backend = serializers.CharField()
    new_backend = serializers.CharField()
    created_at = serializers.DateTimeField()


class TrafficShape(WeightShape):
    rollout = RolloutShape(allow_null=True)
    history = SplitShape(many=True)
    backends = serializers.ListField(child=serializers.CharField())


class RepositoryShape(Shape):
    account = serializers.CharField()
    repository = serializers.CharField()
    ready = serializers.BooleanField(help_text="Its newest suite run can go to the new backend.")
    suite_runs = serializers.IntegerField()
    asked = serializers.IntegerField(help_text="Those that the new backend was asked about.")
    able = serializers.IntegerField(help_text="Those of them that it can run.")
    reasons = serializers.ListField(
        child=serializers.CharField(), help_text="What to change: service, key and remedy."
    )
    newest_at = serializers.DateTimeField()


class ReadinessShape(Shape):
    new_backend = serializers.CharField()
    since = serializers.DateTimeField()
    repositories = serializers.IntegerField()
    ready = serializers.IntegerField(help_text="How many of the repositories can move.")
    suite_runs = serializers.IntegerField()
    asked = serializers.IntegerField()
    able = serializers.IntegerField()
    percent_able = serializers.FloatField(allow_null=True, help_text="Of those asked about.")
    report = RepositoryShape(many=True)


class ProblemErrorShape(Shape):
    field = serializers.CharField(help_text="As in paths.dockerfile or tasks[3].order_index.")
    message = serializers.CharField(help_text="What is wrong, and what to do about it.")


class ProblemShape(Shape):
    """A problem document (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = ProblemErrorShape(many=True)  # type: ignore[assignment]
