"""How many Assignments an account may have placed at once (`settings.ACCOUNT_LIMIT`), so that one
account's long queue leaves room for the others. Counted from rows, over all backends."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from uuid import UUID

from django.conf import settings
from django.db.models import Count

from dispatch.models import Assignment


def next_in_line(
    backend: str, count: int, passed_over: Collection[UUID], starting: Collection[UUID]
) -> list[Assignment]:
    """At most `count` queued ones in their order, of no account more than its limit allows, and
    none that waits for what another one makes.

    `passed_over` are not chosen. `starting` are being placed at this moment: the rows do not show
    it yet. Those of another backend are not known here, so that a limit may be exceeded by what
    two backends place in the same moment.
    """
    queued = Assignment.queued(backend).filter(waits_for="")
    if not settings.ACCOUNT_LIMIT:
        return list(islice(_others(queued[: count + len(passed_over)], passed_over), count))
    placed, chosen = _placed(starting), list[Assignment]()
    while len(chosen) < count:
        full, seen = _full(placed), {*passed_over, *(row.pk for row in chosen)}
        window = count - len(chosen) + len(seen)
        rows = list(queued.exclude(account__in=full)[:window])
        chosen += islice(_that_fit(_others(rows, seen), placed), count - len(chosen))
        # Behind the rows of an account that has become full there may be others.
        if len(rows) < window or _full(placed) == full:
            break
    return chosen


def _others(rows: Iterable[Assignment], ids: Collection[UUID]) -> Iterator[Assignment]:
    return (row for row in rows if row.pk not in ids)


def _placed(starting: Collection[UUID]) -> Counter[str]:
    """How many live ones of each account are placed, or about to be."""
    held = [Assignment.held(backend) for backend in settings.BACKENDS]
    about_to_be = Assignment.objects.filter(pk__in=starting, external_id=None)
    placed: Counter[str] = Counter()
    for rows in (*held, about_to_be):
        live = rows.filter(closed_at=None).exclude(account="").order_by()
        counted = live.values("account").annotate(there=Count("id"))
        placed.update({row["account"]: row["there"] for row in counted})
    return placed


def _that_fit(rows: Iterable[Assignment], placed: Counter[str]) -> Iterator[Assignment]:
    """Counts them in. One without an account, from before they were kept here, always fits."""
    for row in rows:
        if not row.account:
            yield row
        elif placed[row.account] < settings.ACCOUNT_LIMIT:
            placed[row.account] += 1
            yield row


def _full(placed: Counter[str]) -> set[str]:
    return {account for account, there in placed.items() if there >= settings.ACCOUNT_LIMIT}
