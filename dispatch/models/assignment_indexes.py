"""What the database keeps true of Assignments, and finds them by."""

from django.db import models
from django.db.models import F, Q

CONSTRAINTS = [
    # Its index serves the foreign key, too.
    models.UniqueConstraint(fields=["task", "number"], name="one_assignment_per_number"),
    models.UniqueConstraint(
        fields=["task", "purpose"],
        condition=Q(closed_at=None),
        name="one_live_assignment_per_task_and_purpose",
    ),
    models.UniqueConstraint(
        fields=["backend", "external_id"],
        condition=Q(released_at=None, external_id__isnull=False),
        name="one_open_assignment_per_external_id",
    ),
]

INDEXES = [
    models.Index(
        "backend",
        F("priority").desc(),
        "task_id",
        condition=Q(closed_at=None, external_id=None),
        name="assignments_queued",
    ),
    models.Index(
        fields=["backend", "id"],
        condition=Q(released_at=None) & (Q(external_id__isnull=False) | Q(closed_at__isnull=False)),
        name="assignments_held",
    ),
    models.Index(
        fields=["backend", "waits_for"],
        condition=Q(closed_at=None) & ~Q(waits_for=""),
        name="assignments_waiting",
    ),
    models.Index(
        fields=["deadline_at"],
        condition=Q(closed_at=None, deadline_at__isnull=False),
        name="assignments_deadline",
    ),
    models.Index(
        fields=["backend", "closed_at"],
        condition=Q(closed_at__isnull=False),
        name="assignments_by_end",
    ),
]
