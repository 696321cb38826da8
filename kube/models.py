"""What the controller knows of the cluster and others, who cannot ask it, need to know."""

from datetime import datetime
from uuid import UUID

from django.db import models
from django.utils import timezone


class Watched(models.Model):
    """When the watch of the objects of a kind last said anything."""

    kind = models.CharField(max_length=20, primary_key=True)
    heard_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "watched"

    def __str__(self) -> str:
        return self.kind

    @classmethod
    def note(cls, kind: str, heard_at: datetime) -> None:
        cls.objects.update_or_create(kind=kind, defaults={"heard_at": heard_at})


class StrayJob(models.Model):
    """A Job with our labels that belongs to no Assignment. Noticed, shown, and left alone."""

    uid = models.CharField(max_length=60, primary_key=True)
    name = models.CharField(max_length=255)
    first_seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def keep_only(cls, found: dict[str, str]) -> None:
        """These are all that there are now: name by UID."""
        cls.objects.exclude(uid__in=found).delete()
        rows = [StrayJob(uid=uid, name=name) for uid, name in found.items()]
        StrayJob.objects.bulk_create(rows, ignore_conflicts=True)


class ServiceLog(models.Model):
    """How far the log of a service's container was read: up to the last line of this `moment`, as
    the kubelet writes it, of which `lines` were taken; `restarts` is the run it was in."""

    assignment_id = models.UUIDField()
    container = models.CharField(max_length=63)
    moment = models.CharField(max_length=40, blank=True)
    lines = models.PositiveIntegerField(default=0)
    restarts = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["assignment_id", "container"], name="one_service_log_per_container"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.assignment_id} {self.container}"

    @classmethod
    def of(cls, assignment_id: UUID, container: str) -> "ServiceLog":
        row, _ = cls.objects.get_or_create(assignment_id=assignment_id, container=container)
        return row
