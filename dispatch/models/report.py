"""What agents report: logs, results, artifacts, and the reports that were refused."""

from django.db import models
from django.utils import timezone


class LogStream(models.Model):
    """One stream of one Assignment. `received` counts the raw bytes that came, `length` the
    stored (redacted) ones; a capped stream has lost those from `cut_from` to `cut_to`."""

    assignment = models.ForeignKey("dispatch.Assignment", on_delete=models.CASCADE)
    name = models.CharField(max_length=80)
    received = models.BigIntegerField(default=0)
    length = models.BigIntegerField(default=0)
    cut_from = models.BigIntegerField(null=True)
    cut_to = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assignment", "name"], name="one_stream_per_name"),
        ]


class LogChunk(models.Model):
    """The bytes of a stream from `start` on. The chunks of a stream neither overlap nor leave
    gaps, apart from the cut."""

    stream = models.ForeignKey(LogStream, on_delete=models.CASCADE, related_name="chunks")
    start = models.BigIntegerField()
    data = models.BinaryField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "start"], name="chunks_in_order")]


class ResultFile(models.Model):
    """One results file as it came, and its counts; the same name replaces."""

    assignment = models.ForeignKey(
        "dispatch.Assignment", on_delete=models.CASCADE, related_name="result_files"
    )
    name = models.CharField(max_length=200)
    data = models.BinaryField()
    complete = models.BooleanField()
    example_count = models.PositiveIntegerField(default=0)
    failure_count = models.PositiveIntegerField(default=0)
    pending_count = models.PositiveIntegerField(default=0)
    errors_outside_count = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assignment", "name"], name="one_result_file_per_name"),
        ]


class Artifact(models.Model):
    """A screenshot or another file for display."""

    assignment = models.ForeignKey(
        "dispatch.Assignment", on_delete=models.CASCADE, related_name="artifacts"
    )
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100)
    data = models.BinaryField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assignment", "name"], name="one_artifact_per_name"),
        ]


class RefusedReport(models.Model):
    """A report that changed nothing, kept for diagnosis (promise 4)."""

    assignment = models.ForeignKey("dispatch.Assignment", on_delete=models.CASCADE)
    kind = models.CharField(max_length=60)
    reason = models.CharField(max_length=200)
    body = models.BinaryField()
    at = models.DateTimeField(default=timezone.now)
