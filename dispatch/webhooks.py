"""Delivers webhooks (Standard Webhooks) from the outbox: at least once, retried with backoff.

The controller hands due ones to the background functions, one batch per client at a time, so
that a client with a slow endpoint holds up nobody but itself. What a batch holds is leased: the
rows become due again by themselves when whoever holds them dies.
"""

import json
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import standardwebhooks
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db.models import F
from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

from dispatch import encryption, wake
from dispatch.backoff import pause_after
from dispatch.models import ApiClient, Lease, Webhook
from dispatch.outbound import Reply, post

BATCH = 50
BATCH_SECONDS = 20.0
LONGEST_QUEUE = 100
LONGEST_RETRY_SECONDS = 3600.0
LONGEST_RETRY_AFTER_SECONDS = 86_400.0
GONE = 410
NO_URL = "The API client has no webhook URL: set one with manage.py create-api-key."
NO_SECRET = "The webhook secret cannot be used: set a new one with manage.py create-api-key."
CUT_OFF = "The attempt was cut off before there was an answer."


# Handing out ----------------------------------------------------------------------------------


def enqueue_due() -> None:
    """Hand due webhooks to the background functions."""
    now = timezone.now()
    due = Webhook.objects.filter(next_attempt_at__lte=now)
    worn_out = due.filter(attempts__gte=settings.WEBHOOK_MAX_ATTEMPTS)
    worn_out.update(failed_at=now, next_attempt_at=None)
    if OrmQ.objects.count() >= LONGEST_QUEUE:
        return
    for client_id in due.order_by().values_list("client_id", flat=True).distinct():
        _hand_out(client_id, now)


def _hand_out(client_id: int, now: datetime) -> None:
    """Lease one batch of this client's, unless one is out already."""
    holder = uuid4().hex
    if not Lease.take(_lease_name(client_id), holder, settings.WEBHOOK_LEASE_SECONDS):
        return
    due = Webhook.objects.filter(client_id=client_id, next_attempt_at__lte=now)
    ids = list(due.order_by("next_attempt_at", "id").values_list("pk", flat=True)[:BATCH])
    until = now + timedelta(seconds=settings.WEBHOOK_LEASE_SECONDS)
    if due.filter(pk__in=ids).update(next_attempt_at=until):
        async_task("dispatch.functions.deliver_webhooks", client_id, ids, until, holder)


def _lease_name(client_id: int) -> str:
    return f"webhooks {client_id}"


# Delivering -----------------------------------------------------------------------------------


def deliver(client_id: int, ids: Sequence[UUID], until: datetime, holder: str) -> None:
    """Send the batch that was leased until then; rows leased anew in the meantime are left out.

    What there is no time for goes back. Where an endpoint did not answer in time, so does the
    rest of the batch, and the client's lease is left to lapse: until then it gets no other one.
    """
    rows = Webhook.objects.filter(pk__in=ids, next_attempt_at=until)
    started = time.monotonic()
    timed_out = False
    for webhook in rows.select_related("client").order_by("id"):
        if timed_out or time.monotonic() - started > BATCH_SECONDS:
            rows.update(next_attempt_at=timezone.now())
            break
        timed_out = attempt(webhook).timed_out
    if not timed_out:
        Lease.give_up(_lease_name(client_id), holder)
        wake.send("webhooks")


def attempt(webhook: Webhook) -> Reply:
    """Send it once. The attempt is counted before it is made: one that kills its process counts
    as well."""
    number = webhook.attempts + 1
    pause = max(_pause(number), 2 * settings.WEBHOOK_TIMEOUT_SECONDS)
    until = timezone.now() + timedelta(seconds=pause)
    ours = Webhook.objects.filter(pk=webhook.pk, next_attempt_at=webhook.next_attempt_at)
    if not ours.update(attempts=F("attempts") + 1, next_attempt_at=until, last_error=CUT_OFF):
        return Reply(error=CUT_OFF)
    reply = _send(webhook)
    # Where somebody asked for redelivery meanwhile, that stands.
    rows = Webhook.objects.filter(pk=webhook.pk, next_attempt_at=until)
    rows.update(last_status=reply.status, last_error=reply.error, **_consequence(reply, number))
    return reply


def _send(webhook: Webhook) -> Reply:
    if not webhook.client.webhook_url:
        return Reply(error=NO_URL)
    body = json.dumps(webhook.payload, separators=(",", ":"))
    now = timezone.now()
    try:
        signature = signer(webhook.client).sign(str(webhook.pk), now, body)
    except (InvalidToken, ValueError, standardwebhooks.webhooks.EmptyWebhookSecretError):
        return Reply(error=NO_SECRET)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Switchyard-Webhooks/1",
        "webhook-id": str(webhook.pk),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    url, timeout = webhook.client.webhook_url, settings.WEBHOOK_TIMEOUT_SECONDS
    return post(url, body.encode(), headers, timeout=timeout)


def signer(client: ApiClient) -> standardwebhooks.Webhook:
    return standardwebhooks.Webhook(encryption.decrypt(client.webhook_secret))


def _consequence(reply: Reply, number: int) -> dict[str, datetime | None]:
    now = timezone.now()
    if reply.good:
        return {"delivered_at": now, "next_attempt_at": None}
    if reply.status == GONE or number >= settings.WEBHOOK_MAX_ATTEMPTS:
        return {"failed_at": now, "next_attempt_at": None}
    asked = min(reply.retry_after, LONGEST_RETRY_AFTER_SECONDS)
    return {"next_attempt_at": now + timedelta(seconds=max(_pause(number), asked))}


def _pause(number: int) -> float:
    """Seconds after the attempt of this number: doubling, jittered, an hour at most."""
    first = settings.WEBHOOK_FIRST_RETRY_SECONDS
    return pause_after(number, first=first, longest=LONGEST_RETRY_SECONDS, least=0.75)
