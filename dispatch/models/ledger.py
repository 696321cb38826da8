from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone


class DropletLife(models.Model):
    """The life of one droplet as it happened: what the bill is made of.

    Kept by the core, so that it stays readable after the droplet backend is gone.
    `hourly_price` is in USD.
    """

    worker_id = models.UUIDField(unique=True)
    name = models.CharField(max_length=255)
    provider_id = models.CharField(max_length=40, blank=True, db_index=True)
    region = models.CharField(max_length=20, blank=True)
    size = models.CharField(max_length=40)
    hourly_price = models.DecimalField(max_digits=10, decimal_places=5, null=True)
    assignment_id = models.UUIDField(null=True)
    requested_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    drain_requested_at = models.DateTimeField(null=True)
    quiet_at = models.DateTimeField(null=True)
    destroyed_at = models.DateTimeField(null=True)
    verified_gone_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "droplet lives"
        indexes = [
            models.Index(fields=["created_at"], name="droplet_lives_by_creation"),
            models.Index(fields=["destroyed_at"], name="droplet_lives_by_end"),
        ]

    def __str__(self) -> str:
        return self.name


class AuditEntry(models.Model):
    """Who asked for what, and why. Append-only."""

    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=150)
    actor_kind = models.CharField(max_length=20)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    reason = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
