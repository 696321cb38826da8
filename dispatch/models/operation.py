"""Rows by which the processes watch over themselves."""

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Lease(models.Model):
    """Leadership among the replicas of a process: whoever holds the row leads until it lapses."""

    name = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=100)
    expires_at = models.DateTimeField()

    @classmethod
    def take(cls, name: str, holder: str, for_seconds: float) -> bool:
        """Take or renew the lease; False while another holder's has not lapsed."""
        now = timezone.now()
        expires_at = now + timedelta(seconds=for_seconds)
        ours_or_lapsed = Q(holder=holder) | Q(expires_at__lt=now)
        rows = cls.objects.filter(ours_or_lapsed, name=name)
        if rows.update(holder=holder, expires_at=expires_at):
            return True
        lease = Lease(name=name, holder=holder, expires_at=expires_at)
        Lease.objects.bulk_create([lease], ignore_conflicts=True)
        return cls.objects.filter(name=name, holder=holder).exists()

    @classmethod
    def give_up(cls, name: str, holder: str) -> None:
        cls.objects.filter(name=name, holder=holder).delete()


class LoopBeat(models.Model):
    """When a loop of the controller, or the probe of the qcluster, last came round."""

    name = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField()
    seconds = models.FloatField(default=0)
    every = models.FloatField(default=0)
    error = models.TextField(blank=True)

    @classmethod
    def record(cls, name: str, *, seconds: float = 0, every: float = 0, error: str = "") -> None:
        cls.objects.update_or_create(
            name=name,
            defaults={"at": timezone.now(), "seconds": seconds, "every": every, "error": error},
        )


class BackendStatus(models.Model):
    """How a backend answers. A row with `unavailable_since` is backing off until `retry_at`."""

    name = models.CharField(max_length=40, primary_key=True)
    unavailable_since = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    message = models.TextField(blank=True)
    checked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "backend statuses"
