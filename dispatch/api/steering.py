"""POST: a Task is cancelled, a webhook sent again, the weight set. GET: webhooks and weight."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from dispatch import rollout, wake
from dispatch.api import answers, queries
from dispatch.api.auth import client_of
from dispatch.api.fields import Request as Body
from dispatch.api.fields import Text, WholeNumber
from dispatch.api.idempotency import Made, once
from dispatch.api.problems import NotFound, Refused
from dispatch.api.reading import find_task, one_task, page
from dispatch.models import ApiKey, Rollout, TrafficSplit, Webhook
from dispatch.routing import BUCKETS, current_split

HISTORY = 50


class NoFields(Body):
    """Nothing to say: no body, or an empty object."""


class NewWeight(Body):
    weight = WholeNumber(
        min_value=0, max_value=BUCKETS, help_text="Thousandths of a percent to the new backend."
    )
    reason = Text(max_length=2000, pattern=r"[\s\S]*\S[\s\S]*", hint="say why, in words")


NO_FIELDS = NoFields()
NEW_WEIGHT = NewWeight()


def _actor(request: Request) -> rollout.Actor:
    assert isinstance(request.auth, ApiKey)
    return rollout.Actor(name=f"{client_of(request).name}: {request.auth.name}"[:150], kind="token")


# Tasks and webhooks ---------------------------------------------------------------------------


def cancel_task(request: Request, task_id: UUID) -> dict[str, Any]:
    """Ends it at once. One that has ended already stays as it ended."""
    NO_FIELDS.read(request.data)
    task = find_task(request, task_id)
    if not task.ended and task.cancel(actor=_actor(request).name):
        wake.send("closed")
    return one_task(request, task_id)


def list_webhooks(request: Request, task_id: UUID | None = None) -> dict[str, Any]:
    wanted = queries.WEBHOOKS.read_from(request.query_params)
    rows = Webhook.objects.filter(client=client_of(request))
    if task_id is not None:
        rows = rows.filter(task=find_task(request, task_id))
    if "cursor" in wanted:
        rows = rows.filter(pk__lt=wanted["cursor"])
    if "state" in wanted:
        rows = _in_state(rows, wanted["state"])
    return page(rows, wanted["limit"], "webhooks", answers.webhook)


def _in_state(rows: QuerySet[Webhook], state: str) -> QuerySet[Webhook]:
    delivered, failed = Q(delivered_at__isnull=False), Q(failed_at__isnull=False)
    return rows.filter({"delivered": delivered, "failed": failed}.get(state, ~delivered & ~failed))


def redeliver(request: Request, webhook_id: UUID) -> dict[str, Any]:
    NO_FIELDS.read(request.data)
    rows = Webhook.objects.filter(pk=webhook_id, client=client_of(request))
    found = rows.first()
    if found is None:
        raise NotFound("id", "There is no such webhook: list yours with GET /api/v1/webhooks.")
    found.redeliver()
    wake.send("webhooks")
    return answers.webhook(rows.get())


# The traffic split ----------------------------------------------------------------------------


def set_weight(request: Request) -> HttpResponse:
    wanted = NEW_WEIGHT.read(request.data)

    def work() -> Made:
        try:
            rollout.set_weight(wanted["weight"], actor=_actor(request), reason=wanted["reason"])
        except rollout.WeightRefused as refusal:
            raise Refused({refusal.field: str(refusal)}) from None
        return Made(body=weight())

    return once(request, work)


def weight() -> dict[str, Any]:
    """The split in force; `entry` is null where nobody has set one yet."""
    split = current_split()
    entry = TrafficSplit.objects.filter(pk=split.version or 0).first()
    return {
        "weight": split.weight,
        "percent": split.weight * 100 / BUCKETS,
        "old_backend": split.old,
        "new_backend": split.new,
        "configuration_version": split.version,
        "entry": entry and answers.split(entry),
    }


def traffic() -> dict[str, Any]:
    """The open Rollout with its newest entries, and which backends there are."""
    found = Rollout.objects.filter(closed_at=None).first()
    rows = found.splits.order_by("-id")[:HISTORY] if found else ()
    return {
        "rollout": found and answers.rollout(found),
        "history": [answers.split(row) for row in rows],
        "backends": list(settings.BACKENDS),
        **weight(),
    }
