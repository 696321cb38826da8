from django.db import models
from django.db.models import Q
from django.utils import timezone


class Rollout(models.Model):
    """One run of the migration. At most one is open; its salt decides the buckets."""

    salt = models.CharField(max_length=64)
    old_backend = models.CharField(max_length=40)
    new_backend = models.CharField(max_length=40)
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(closed_at=None), name="one_open_rollout"
            ),
        ]

    def __str__(self) -> str:
        return f"Rollout {self.pk}: {self.old_backend} to {self.new_backend}"


class TrafficSplit(models.Model):
    """One entry of a Rollout's append-only weight history; the newest one is in force.

    `weight` counts thousandths of a percent (0 to 100000) that go to the new backend. The id
    is the configuration version that decisions carry.
    """

    rollout = models.ForeignKey(Rollout, on_delete=models.PROTECT, related_name="splits")
    weight = models.PositiveIntegerField()
    actor = models.CharField(max_length=150)
    actor_kind = models.CharField(max_length=20)
    reason = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(weight__lte=100_000), name="weight_at_most_100000"),
        ]

    def __str__(self) -> str:
        return f"{self.weight / 1000:.3f} %"
