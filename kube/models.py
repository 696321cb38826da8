"""What the controller knows of the cluster and others, who cannot ask it, need to know."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q
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


class ImageState(models.TextChoices):
    """What those that need the image do: wait for it, use it, build it, end, build each its own."""

    BUILDING = "building"
    READY = "ready"
    FREE = "free"
    FAILED = "failed"
    UNSHARED = "unshared"


class Image(models.Model):
    """The image that all with the same key (`requesting.key_of`) share, and who builds it.

    `builder` is an Assignment, of this suite run, that pushes it to `reference` (with its tag);
    `digest` is what was seen there. `size`: its build needs this resource class at least. A failed
    one, with its category and sentence, is so for its suite run alone: what failed for one (a
    package server was away) may work for the next, and nobody could ask for another try otherwise.
    Every change is a conditional UPDATE: a method answers False where somebody else was first.
    """

    key = models.CharField(max_length=64, primary_key=True)
    state = models.CharField(max_length=10, choices=ImageState, default=ImageState.BUILDING)
    builder = models.UUIDField()
    suite_run = models.UUIDField()
    reference = models.CharField(max_length=500)
    digest = models.CharField(max_length=100, blank=True)
    size = models.PositiveSmallIntegerField(default=0)
    category = models.CharField(max_length=30, blank=True)
    sentence = models.TextField(blank=True)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(
                fields=["changed_at"], condition=Q(state="building"), name="images_being_built"
            ),
            models.Index(fields=["builder"], name="images_by_builder"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} ({self.state})"

    @property
    def pinned(self) -> str:
        """The reference by digest: whatever is pushed to that tag later, this is the image."""
        return f"{self.reference.rpartition(':')[0]}@{self.digest}"

    @classmethod
    def wanted_by(cls, builder: UUID, *, suite_run: UUID, key: str, reference: str) -> "Image":
        """As it is; where nobody has asked for it before, this Assignment builds it from now on."""
        row = cls.objects.filter(pk=key).first()
        if row is None:
            new = Image(key=key, builder=builder, suite_run=suite_run, reference=reference)
            Image.objects.bulk_create([new], ignore_conflicts=True)
            row = cls.objects.get(pk=key)
        return row

    def build_anew(self, builder: UUID, *, suite_run: UUID, reference: str) -> bool:
        """This Assignment builds it from now on."""
        facts = {"builder": builder, "suite_run": suite_run, "reference": reference}
        return self._move(ImageState.BUILDING, **facts, digest="", category="", sentence="")

    def ready(self, digest: str) -> bool:
        return self._move(ImageState.READY, digest=digest)

    def fail(self, category: str, sentence: str) -> bool:
        return self._move(ImageState.FAILED, category=category, sentence=sentence)

    def free(self, *, size: int = 0) -> bool:
        """The next one that wants it builds it, in this resource class at least."""
        return self._move(ImageState.FREE, size=max(size, self.size))

    def unshare(self) -> bool:
        return self._move(ImageState.UNSHARED)

    @classmethod
    def lose(cls, builder: UUID) -> bool:
        """What this Assignment has built is not in the registry any more."""
        rows = cls.objects.filter(builder=builder, state=ImageState.READY)
        return bool(rows.update(state=ImageState.FREE, changed_at=timezone.now()))

    def _move(self, to: ImageState, **changes: Any) -> bool:
        """From what this object shows; on success it shows the new values."""
        changes |= {"state": to, "changed_at": timezone.now()}
        seen = {"pk": self.pk, "state": self.state, "builder": self.builder}
        if not Image.objects.filter(**seen, changed_at=self.changed_at).update(**changes):
            return False
        for name, value in changes.items():
            setattr(self, name, value)
        return True
