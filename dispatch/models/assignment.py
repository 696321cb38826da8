from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from dispatch import wake
from dispatch.following import FELL_BACK, Following, NextAttempt, after
from dispatch.ids import new_id
from dispatch.models.assignment_indexes import CONSTRAINTS, INDEXES
from dispatch.models.task import Task, TaskSecret
from dispatch.outcomes import OUTCOMES, TERMINAL, Category, TaskState

HEARD_RESOLUTION = timedelta(seconds=15)
# No final report of our own agent is kept: `finish=None` would mean JSON's null.
UNREPORTED = Q(finish__isnull=True)
PHASES = ("claimed", "cloned", "built", "services_ready", "tests_started", "reported")


class Purpose(models.TextChoices):
    PRIMARY = "primary"
    SHADOW = "shadow"
    CALIBRATION = "calibration"


class Assignment(models.Model):
    """One attempt to run one Task on one backend.

    live = not closed (its outcome is open); open = not released (the backend may still hold
    something for it). `external_id` is what the backend calls it, empty until it is placed;
    `pending` says why the backend does not run it yet. `waits_for` is what another one makes and
    this one, unplaced, needs first; `image_wait` is how long it has waited so for its image, and
    `image_from` the Assignment that built the image it runs, where that was another one.
    Every change is a conditional UPDATE: a method answers False where somebody else was first.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    task = models.ForeignKey(
        Task, on_delete=models.CASCADE, related_name="assignments", db_index=False
    )
    number = models.PositiveSmallIntegerField(default=1)
    purpose = models.CharField(max_length=12, choices=Purpose, default=Purpose.PRIMARY)
    backend = models.CharField(max_length=40, blank=True)
    # The suite run's own, once more: the queue is filtered by it (dispatch.accounts).
    account = models.CharField(max_length=100, blank=True)
    external_id = models.CharField(max_length=100, null=True)
    pending = models.TextField(blank=True)
    pending_since = models.DateTimeField(null=True)
    waits_for = models.CharField(max_length=64, blank=True, default="", db_default="")
    image_wait = models.DurationField(default=timedelta, db_default=timedelta())
    image_from = models.UUIDField(null=True)
    priority = models.SmallIntegerField(default=0)
    size_class = models.PositiveSmallIntegerField(default=0)
    instance = models.CharField(max_length=100, blank=True)

    created_at = models.DateTimeField(default=timezone.now)
    start_tried_at = models.DateTimeField(null=True)
    placed_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    cloned_at = models.DateTimeField(null=True)
    built_at = models.DateTimeField(null=True)
    services_ready_at = models.DateTimeField(null=True)
    tests_started_at = models.DateTimeField(null=True)
    reported_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    heard_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)

    category = models.CharField(max_length=30, choices=Category, blank=True)
    sentence = models.TextField(blank=True)
    exit_code = models.IntegerField(null=True)
    finish = models.JSONField(null=True)
    late_exit_code = models.IntegerField(null=True)
    example_count = models.PositiveIntegerField(null=True)
    failure_count = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = list(CONSTRAINTS)
        indexes = list(INDEXES)

    def __str__(self) -> str:
        return f"{self.task_id} #{self.number}"

    @property
    def live(self) -> bool:
        return self.closed_at is None

    @classmethod
    def queued(cls, backend: str) -> "models.QuerySet[Assignment]":
        """The unplaced ones, highest priority first, then the oldest Task first."""
        rows = cls.objects.filter(backend=backend, closed_at=None, external_id=None)
        return rows.order_by("-priority", "task_id")

    @classmethod
    def held(cls, backend: str) -> "models.QuerySet[Assignment]":
        """The open ones that the backend may hold something for."""
        placed_or_closed = Q(external_id__isnull=False) | Q(closed_at__isnull=False)
        rows = cls.objects.filter(placed_or_closed, backend=backend, released_at=None)
        return rows.select_related("task").order_by("id")

    def _update(self, *conditions: Q, **changes: Any) -> bool:
        """Conditional UPDATE of this live row; on success this object shows the new values."""
        rows = Assignment.objects.filter(*conditions, pk=self.pk, closed_at=None)
        if not rows.update(**changes):
            return False
        for name, value in changes.items():
            setattr(self, name, value)
        return True

    def note_start(self) -> bool:
        """Write down that its start is under way, before it is: it may work without an answer.
        False where an earlier one is."""
        return self._update(Q(start_tried_at=None), start_tried_at=timezone.now())

    def forget_start(self) -> None:
        """The start that was noted last, by this object, has made nothing: the answer said so."""
        self._update(Q(start_tried_at=self.start_tried_at), start_tried_at=None)

    def place(self, external_id: str, image_from: UUID | None = None) -> bool:
        """Record where the backend placed it; the Task becomes assigned."""
        with transaction.atomic():
            changes = {"external_id": external_id, "placed_at": timezone.now(), "waits_for": ""}
            if not self._update(Q(external_id=None), **changes, image_from=image_from):
                return False
            if image_from:
                self.skip_build()
            self.move_task(TaskState.ASSIGNED, backend=self.backend, external_id=external_id)
            return True

    def withdraw(self, reason: str) -> bool:
        """Take an undelivered one back into the queue; this uses up no attempt."""
        with transaction.atomic():
            undelivered = Q(external_id__isnull=False, delivered_at=None, claimed_at=None)
            if not self._update(undelivered, external_id=None, placed_at=None):
                return False
            self.move_task(TaskState.QUEUED, reason=reason)
        wake.send("queue")
        return True

    def deliver(self) -> bool:
        """Mark the work order as handed out: from now on it may be running, and has the Task's
        timeout to be claimed. False where it is not placed any more where this object saw it."""
        now = timezone.now()
        here = Q(delivered_at=None, external_id=self.external_id)
        return self._update(here, delivered_at=now, deadline_at=self._deadline(now))

    def _deadline(self, start: datetime) -> datetime:
        return start + timedelta(seconds=self.task.timeout_seconds)

    def claim(self, instance: str) -> bool:
        """The first instance wins; the Task is running and its timeout starts."""
        now = timezone.now()
        with transaction.atomic():
            changes = {"claimed_at": now, "heard_at": now, "deadline_at": self._deadline(now)}
            if not self._update(Q(claimed_at=None), instance=instance, waits_for="", **changes):
                return False
            self.move_task(TaskState.RUNNING, backend=self.backend)
            return True

    def reach(self, phase: str) -> bool:
        """Keep the server's time of the first report of a phase (one of PHASES)."""
        return self._update(Q(**{f"{phase}_at": None}), **{f"{phase}_at": timezone.now()})

    def skip_build(self) -> bool:
        """Whose image was there already has no build: that phase ends as soon as it begins. Asks
        the row, since its agent may be quicker than the one who places it."""
        begun = Q(image_from__isnull=False, cloned_at__isnull=False, built_at=None)
        return self._update(begun, built_at=timezone.now())

    def heard(self) -> None:
        """Note a sign of life, with at most one write in 15 seconds. The first one after the
        claim is always written: it shows that the claim was not the last."""
        now = timezone.now()
        fresh = self.heard_at is not None and now - self.heard_at <= HEARD_RESOLUTION
        if not fresh or self.heard_at == self.claimed_at:
            self._update(heard_at=now)

    def waits(self, reason: str) -> bool:
        """Keep why the backend does not run it yet; "" once it does. True where that is new."""
        since = None if not reason else self.pending_since or timezone.now()
        other = ~Q(pending=reason)
        return self._update(other, pending=reason, pending_since=since)

    def wait_for(self, what: str, reason: str) -> bool:
        """Leave it in the queue, untried until what it needs is there (`waiting.let_go_on`). False
        where it was moved, or its start tried, since this object saw it."""
        since = (self.waits_for and self.pending_since) or timezone.now()
        changes = {"waits_for": what, "pending": reason, "pending_since": since}
        here = Q(backend=self.backend, start_tried_at=self.start_tried_at)
        return self._update(here, Q(external_id=None, claimed_at=None), **changes)

    def close(
        self,
        category: str,
        sentence: str = "",
        facts: dict[str, Any] | None = None,
        *,
        still: Q | None = None,
    ) -> bool:
        """Decide the outcome, once and for ever, and what it means for the Task. Whoever concludes
        it from what the row said gives that as `still`: False where it says something else now."""
        with transaction.atomic():
            if not self._end(category, sentence, still or Q()):
                return False
            if self.purpose == Purpose.PRIMARY:
                self._end_attempt(after(self, category), facts or {})
        wake.send("closed")
        return True

    def fall_back(self, category: str, sentence: str = "") -> bool:
        """Close one that its backend did not take, but only if the Task then goes to the other
        backend. Else it keeps its place in the queue and no attempt is used up.

        A start that is under way, or that worked without an answer, loses against this UPDATE:
        `place` and `claim` answer False from then on, and reconciliation stops what it made. Where
        it won, because an agent has claimed the Assignment, False is the answer here."""
        with transaction.atomic():
            following = after(self, category)
            if following.attempt is None or not following.attempt.fallback:
                return False
            if not self._end(category, sentence, Q(external_id=None, claimed_at=None)):
                return False
            self._end_attempt(following, {})
        wake.send("closed")
        return True

    def _end(self, category: str, sentence: str, *conditions: Q) -> bool:
        sentence = sentence or OUTCOMES[category].sentence
        facts = {"category": category, "sentence": sentence, "waits_for": ""}
        changes = {"closed_at": timezone.now(), **facts}
        return self._update(*conditions, **changes)

    def _end_attempt(self, following: Following, facts: dict[str, Any]) -> None:
        facts = {**facts, "category": self.category, "sentence": self.sentence}
        if following.stays:
            facts["stays"] = following.stays
        attempt = following.attempt
        if attempt is None:
            facts["sentence"] = following.last_words(self.sentence)
            self.move_task(OUTCOMES[self.category].task, **facts)
            self._forget_secrets()
        elif self.move_task(TaskState.QUEUED, **facts, next_backend=attempt.backend):
            self._next_attempt(attempt)

    def _forget_secrets(self) -> None:
        """The secrets go with their Task, but not before the last agent that was given them is
        released: the logs that it still sends have to be cleaned of them."""
        told = Q(delivered_at__isnull=False) | Q(claimed_at__isnull=False)
        rows = Assignment.objects.filter(told, task_id=self.task_id, released_at=None)
        if not rows.exists():
            TaskSecret.objects.filter(task_id=self.task_id, task__state__in=TERMINAL).delete()

    def _next_attempt(self, following: NextAttempt) -> None:
        if following.fallback:
            self._note_fallback(following.backend)
        last = Assignment.objects.filter(task_id=self.task_id).aggregate(n=models.Max("number"))
        Assignment.objects.create(
            task_id=self.task_id,
            number=last["n"] + 1,
            backend=following.backend,
            account=self.account,
            size_class=following.size_class,
            priority=self.priority,
        )

    def _note_fallback(self, to: str) -> None:
        Task.objects.filter(pk=self.task_id).update(fell_back_at=timezone.now())
        facts = {"from": self.backend, "to": to, "category": self.category}
        self.note(FELL_BACK, **facts, because=self.sentence)

    def move_task(self, to: TaskState, **facts: Any) -> bool:
        """Only a primary Assignment moves its Task."""
        if self.purpose != Purpose.PRIMARY:
            return False
        facts = {"attempt": self.number, **facts}
        return Task.move(self.task_id, to, assignment_id=self.pk, **facts)

    def note(self, kind: str, **facts: Any) -> None:
        """Append to the Task's story without changing a state."""
        Task.note(self.task_id, kind, assignment_id=self.pk, **facts)

    def release(self) -> bool:
        """The backend has confirmed that it holds nothing any more. Closed ones only.

        One transaction, so that no crash leaves secrets behind. It holds the Task's row: of two
        that are released at once, the second sees the first."""
        rows = Assignment.objects.filter(pk=self.pk, released_at=None, closed_at__isnull=False)
        with transaction.atomic():
            if not rows.update(released_at=timezone.now()):
                return False
            Task.objects.select_for_update().filter(pk=self.task_id).values_list("pk").get()
            self._forget_secrets()
        return True

    @property
    def superseded(self) -> bool:
        later = Assignment.objects.filter(task_id=self.task_id, number__gt=self.number)
        return later.filter(purpose=self.purpose).exists()

    @classmethod
    def overdue(cls, now: datetime, grace: timedelta) -> "models.QuerySet[Self]":
        """Live ones whose deadline, the Task's timeout after the claim, is over by `grace`."""
        return cls.objects.filter(closed_at=None, deadline_at__lt=now - grace)

    @classmethod
    def by_id(cls, assignment_id: UUID) -> "Assignment":
        return cls.objects.select_related("task__suite_run").get(pk=assignment_id)
