"""What the controller knows of the cluster and others, who cannot ask it, need to know."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models import Q
from django.utils import timezone

from dispatch import prepared


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


# So many builders in a row may bring nothing.
MOST_LOST = 2
INSERT = "INSERT INTO kube_image ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING key"


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
    `digest` is what was seen there. `size`: its build needs this resource class at least. `lost`
    are the builders in a row that brought nothing. A failed one, with its category and sentence,
    is so for its suite run alone: what failed for one (a package server was away) may work for the
    next. `used_at`: used since it was last seen in the registry, which was at `looked_at`.
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
    # So that processes of the version before can go on while this is put in place.
    lost = models.PositiveSmallIntegerField(default=0, db_default=0)
    used_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(
                fields=["changed_at"], condition=Q(state="building"), name="images_being_built"
            ),
            models.Index(fields=["builder"], name="images_by_builder"),
            models.Index(fields=["changed_at"], name="images_by_age"),
            models.Index(
                fields=["looked_at"],
                condition=Q(state="ready", used_at__isnull=False),
                name="images_used",
            ),
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
        new = cls(key=key, builder=builder, suite_run=suite_run, reference=reference)
        return new if new._insert() else cls.objects.get(pk=key)

    def build_anew(self, builder: UUID, *, suite_run: UUID, reference: str) -> bool:
        """This Assignment builds it from now on."""
        facts = {"builder": builder, "suite_run": suite_run, "reference": reference}
        return self._move(ImageState.BUILDING, **facts, digest="", category="", sentence="")

    def ready(self, digest: str) -> bool:
        seen = {"digest": digest, "looked_at": timezone.now(), "used_at": None}
        return self._move(ImageState.READY, lost=0, **seen)

    def fail(self, category: str, sentence: str) -> bool:
        return self._move(ImageState.FAILED, lost=0, category=category, sentence=sentence)

    def free(self, *, size: int = 0) -> bool:
        """The next one that wants it builds it, in this resource class at least."""
        return self._move(ImageState.FREE, size=max(size, self.size))

    def pass_on(self) -> bool:
        """Its builder brought nothing, for our reasons. The next one may do better; after that each
        builds its own, rather than to meet the same trouble one after the other."""
        if self.lost + 1 >= MOST_LOST:
            return self.unshare()
        return self._move(ImageState.FREE, lost=self.lost + 1)

    def unshare(self) -> bool:
        return self._move(ImageState.UNSHARED, lost=0)

    def use(self) -> None:
        """Note that one is sent to the registry for it: somebody may look whether it is there."""
        if self.used_at is None:
            rows = Image.objects.filter(pk=self.pk, state=ImageState.READY, used_at=None)
            rows.update(used_at=timezone.now())

    @classmethod
    def to_look_at_again(cls, before: datetime) -> "models.QuerySet[Image]":
        """Those in use that were last seen before that, the longest ago first."""
        used = cls.objects.filter(state=ImageState.READY, used_at__isnull=False)
        return used.filter(looked_at__lt=before).order_by("looked_at")

    def looked(self) -> None:
        """It was looked at again, and nothing speaks against it."""
        facts = {"looked_at": timezone.now(), "used_at": None}
        Image.objects.filter(pk=self.pk, builder=self.builder).update(**facts)

    @classmethod
    def lose(cls, builder: UUID) -> bool:
        """What this Assignment has built is not in the registry any more."""
        rows = cls.objects.filter(builder=builder, state=ImageState.READY)
        return bool(rows.update(state=ImageState.FREE, changed_at=timezone.now()))

    def _insert(self) -> bool:
        """In one statement, since every Task that builds waits for it; False where it is there."""
        fields = self._meta.concrete_fields
        columns = ", ".join(f'"{field.column}"' for field in fields)
        marks = ", ".join("%s" for _ in fields)
        values = [
            field.get_db_prep_save(getattr(self, field.attname), connection) for field in fields
        ]
        rows = prepared.run(INSERT.format(columns=columns, marks=marks), values)
        self._state.adding = not rows
        return bool(rows)

    def _move(self, to: ImageState, **changes: Any) -> bool:
        """From what this object shows; on success it shows the new values."""
        changes |= {"state": to, "changed_at": timezone.now()}
        seen = {"pk": self.pk, "state": self.state, "builder": self.builder}
        if not Image.objects.filter(**seen, changed_at=self.changed_at).update(**changes):
            return False
        for name, value in changes.items():
            setattr(self, name, value)
        return True
