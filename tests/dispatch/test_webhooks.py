import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook as Verifier

from dispatch import encryption, webhooks
from dispatch.models import ApiClient, Assignment, Task, Webhook
from dispatch.outcomes import Category, TaskState
from tests.dispatch.hooks import (
    SECRET,
    deliver,
    make_due,
    message,
    seconds_until_next,
    state_of,
)
from tests.dispatch.receiver import Behaviour, Receiver
from tests.factories import make_client, make_task

pytestmark = pytest.mark.django_db


# Delivered ------------------------------------------------------------------------------------


def test_a_message_arrives_signed_over_the_very_bytes_that_are_sent(rails: Receiver) -> None:
    webhook = message()

    deliver()

    [heard] = rails.heard
    payload = Verifier(SECRET).verify(heard.body, heard.headers)
    assert payload["type"] == "task.running"
    assert payload["data"]["task_id"] == str(webhook.task_id)
    assert payload["data"]["sequence"] == 1
    assert heard.id == str(webhook.pk)
    assert heard.headers["content-type"] == "application/json"
    assert state_of(webhook) == (1, 204, True, False)
    assert webhook.next_attempt_at is None


def test_it_is_sent_once(rails: Receiver) -> None:
    message()

    deliver()
    deliver()

    assert len(rails.heard) == 1


def test_the_story_of_a_task_arrives_in_order_and_without_gaps(rails: Receiver) -> None:
    task = make_task()
    Task.move(task.pk, TaskState.RUNNING)
    Assignment.objects.get().close(Category.AGENT_LOST)
    Task.move(task.pk, TaskState.RUNNING)
    Assignment.objects.get(number=2).close(Category.PASSED)

    deliver()

    told = [Verifier(SECRET).verify(heard.body, heard.headers) for heard in rails.heard]
    assert [one["type"] for one in told] == [
        "task.running",
        "task.queued",
        "task.running",
        "task.passed",
    ]
    assert [one["data"]["sequence"] for one in told] == [1, 2, 3, 4]


def test_a_client_without_an_address_gets_none(rails: Receiver) -> None:
    task = make_task(client=make_client("quiet"))

    Webhook.enqueue(task.pk, "task.running")

    assert not Webhook.objects.exists()
    task.refresh_from_db()
    assert task.webhook_seq == 0


# Tried again ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503, 404, 400, 401, 429])
def test_a_refused_message_is_tried_again_later(rails: Receiver, status: int) -> None:
    rails.next = [Behaviour(status=status)]
    webhook = message()

    deliver()

    assert state_of(webhook) == (1, status, False, False)
    assert str(status) in webhook.last_error
    assert 40 < seconds_until_next(webhook) <= 60
    assert deliver() == 0, "it is not due yet"
    make_due(webhook)
    deliver()
    assert state_of(webhook) == (2, 204, True, False)
    assert webhook.last_error == ""
    assert [heard.id for heard in rails.heard] == [str(webhook.pk)] * 2


def test_the_pauses_double_up_to_an_hour(settings: Settings) -> None:
    settings.WEBHOOK_FIRST_RETRY_SECONDS = 5

    for number, longest in [(1, 5), (2, 10), (3, 20), (10, 2560), (11, 3600), (500, 3600)]:
        pauses = [webhooks._pause(number) for _ in range(50)]
        assert longest * 0.75 <= min(pauses) <= max(pauses) <= longest
        assert len(set(pauses)) > 1, "jittered, so that many do not come back at once"


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("120", 118, 121),
        ("999999999999", 86_000, 86_401),
        ("5", 40, 60),
        ("soon", 40, 60),
        ("-5", 40, 60),
    ],
)
def test_a_server_may_ask_for_a_longer_pause(
    rails: Receiver, text: str, least: float, most: float
) -> None:
    rails.next = [Behaviour(status=429, headers={"Retry-After": text})]
    webhook = message()

    deliver()

    assert least <= seconds_until_next(webhook) <= most


def test_a_server_may_ask_for_a_pause_until_a_date(rails: Receiver) -> None:
    at = timezone.now() + timedelta(minutes=10)
    header = at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    rails.next = [Behaviour(status=503, headers={"Retry-After": header})]
    webhook = message()

    deliver()

    assert 590 < seconds_until_next(webhook) <= 600


def test_a_server_that_answers_too_late_hears_the_same_message_again(rails: Receiver) -> None:
    rails.next = [Behaviour(delay=1.0)]
    webhook = message()

    deliver()

    assert state_of(webhook) == (1, None, False, False)
    assert "0.5 seconds" in webhook.last_error
    webhooks_of_client_may_go_out()
    make_due(webhook)
    deliver()
    assert state_of(webhook) == (2, 204, True, False)
    assert [heard.id for heard in rails.heard] == [str(webhook.pk)] * 2


def webhooks_of_client_may_go_out() -> None:
    """The lease of a client whose server is slow is over."""
    from dispatch.models import Lease

    Lease.objects.all().delete()


def test_a_server_that_dribbles_its_answer_does_not_hold_us(rails: Receiver) -> None:
    rails.next = [Behaviour(dribble=0.1)]
    webhook = message()
    started = time.monotonic()

    deliver()

    assert time.monotonic() - started < 5
    assert state_of(webhook) == (1, None, False, False)


def test_a_server_that_is_not_there_is_tried_again(rails: Receiver) -> None:
    ApiClient.objects.update(webhook_url="http://127.0.0.1:1/webhooks")
    webhook = message()

    deliver()

    assert state_of(webhook) == (1, None, False, False)
    assert "ConnectionError" in webhook.last_error
    assert len(webhook.last_error) <= 500


def test_redirects_are_not_followed(rails: Receiver) -> None:
    rails.next = [Behaviour(status=302, headers={"Location": f"{rails.url}/elsewhere"})]
    webhook = message()

    deliver()

    assert [heard.path for heard in rails.heard] == ["/webhooks"]
    assert state_of(webhook) == (1, 302, False, False)


# Given up, and asked for again ------------------------------------------------------------------


def test_after_its_last_attempt_it_is_given_up_and_stays_visible(rails: Receiver) -> None:
    rails.always = Behaviour(status=500)
    webhook = message()
    for _ in range(5):
        deliver()
        make_due(*Webhook.objects.filter(failed_at=None))

    assert state_of(webhook) == (3, 500, False, True)
    assert webhook.next_attempt_at is None
    assert len(rails.heard) == 3


def test_gone_means_gone(rails: Receiver) -> None:
    rails.next = [Behaviour(status=410)]
    webhook = message()

    deliver()

    assert state_of(webhook) == (1, 410, False, True)


def test_what_was_given_up_arrives_after_all_when_it_is_asked_for(rails: Receiver) -> None:
    rails.next = [Behaviour(status=410)]
    webhook = message()
    deliver()

    webhook.redeliver()
    deliver()

    assert state_of(webhook) == (1, 204, True, False)
    assert [heard.id for heard in rails.heard] == [str(webhook.pk)] * 2


def test_what_was_delivered_can_be_asked_for_again(rails: Receiver) -> None:
    webhook = message()
    deliver()

    webhook.redeliver()
    deliver()

    assert len(rails.heard) == 2
    assert state_of(webhook) == (1, 204, True, False)


def test_asking_again_while_it_is_being_sent_is_not_lost(
    rails: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = message()
    send = webhooks._send

    def asked_meanwhile(row: Webhook) -> Any:
        reply = send(row)
        Webhook.objects.get(pk=row.pk).redeliver()
        return reply

    monkeypatch.setattr(webhooks, "_send", asked_meanwhile)
    deliver()
    monkeypatch.setattr(webhooks, "_send", send)

    deliver()

    assert len(rails.heard) == 2
    assert state_of(webhook)[2:] == (True, False)


# What is wrong on our side ----------------------------------------------------------------------


def test_a_client_that_lost_its_address_keeps_the_message_with_the_remedy(rails: Receiver) -> None:
    webhook = message()
    ApiClient.objects.update(webhook_url="")

    deliver()

    assert state_of(webhook) == (1, None, False, False)
    assert "manage.py create-api-key" in webhook.last_error


@pytest.mark.parametrize("secret", [b"", b"no ciphertext", None, "whsec_", "whsec_!"])
def test_a_secret_that_cannot_be_used_sends_nothing_unsigned(
    rails: Receiver, secret: bytes | str | None
) -> None:
    stored = encryption.encrypt(secret or "") if not isinstance(secret, bytes) else secret
    ApiClient.objects.update(webhook_secret=stored)
    webhook = message()

    deliver()

    assert rails.heard == []
    assert "manage.py create-api-key" in Webhook.objects.get(pk=webhook.pk).last_error
