"""Why Assignments wait on their backends, counted; and the end of a wait for one another."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, DateTimeField, DurationField, ExpressionWrapper, F, Min, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from dispatch import wake
from dispatch.models import Assignment

# Names that are made from an id, with whatever was put behind it: they tell reasons apart that
# are one and the same.
NAMES = re.compile(r"\b(?:[\w.]+-)*[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-\w+)*")


@dataclass(frozen=True, kw_only=True)
class WaitingReason:
    """`count` live Assignments wait for it, the first of them `since` then."""

    text: str
    count: int
    since: datetime | None


def reasons(backend: str, most: int) -> list[WaitingReason]:
    """The `most` frequent ones of the backend's live Assignments. Cheap: live rows alone."""
    live = Assignment.objects.filter(backend=backend, closed_at=None).exclude(pending="")
    counted = live.values("pending").annotate(count=Count("id"), since=Min("pending_since"))
    found = merged(
        WaitingReason(text=row["pending"], count=row["count"], since=row["since"])
        for row in counted.order_by()
    )
    return sorted(found, key=lambda one: (-one.count, one.text))[:most]


def merged(reasons: Iterable[WaitingReason]) -> list[WaitingReason]:
    """Those that differ in the names of single Jobs and pods only become one."""
    found: dict[str, WaitingReason] = {}
    for reason in reasons:
        text = NAMES.sub("…", reason.text)
        before = found.get(text)
        times = [one.since for one in (before, reason) if one and one.since]
        found[text] = WaitingReason(
            text=text,
            count=reason.count + (before.count if before else 0),
            since=min(times, default=None),
        )
    return list(found.values())


def what_is_waited_for(backend: str) -> set[str]:
    """By live ones of this backend (`Assignment.waits_for`)."""
    waiting = Assignment.objects.filter(backend=backend, closed_at=None).exclude(waits_for="")
    return set(waiting.order_by().values_list("waits_for", flat=True).distinct())


def let_go_on(backend: str, what: Collection[str]) -> int:
    """Those that wait for one of these are placed from now on; how long they have waited is kept.
    Returns how many they are."""
    rows = Assignment.queued(backend).order_by().filter(waits_for__in=what)
    now = Value(timezone.now(), output_field=DateTimeField())
    waited = F("image_wait") + (now - Coalesce(F("pending_since"), now))
    wait = ExpressionWrapper(waited, output_field=DurationField())
    count = rows.update(image_wait=wait, waits_for="", pending="", pending_since=None)
    if count:
        wake.send("queue")
    return count
