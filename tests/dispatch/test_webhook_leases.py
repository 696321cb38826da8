import time
from typing import Any

import pytest
from django_q.models import OrmQ
from pytest_django import Settings

from dispatch import encryption, webhooks
from dispatch.models import Webhook
from tests.dispatch.hooks import (
    SECRET,
    deliver,
    message,
    run_functions,
    seconds_until_next,
    state_of,
)
from tests.dispatch.receiver import Behaviour, Receiver, receiver
from tests.factories import make_client

pytestmark = pytest.mark.django_db


def test_a_batch_is_handed_out_once_until_its_lease_is_over(
    rails: Receiver, settings: Settings
) -> None:
    settings.WEBHOOK_LEASE_SECONDS = 0.3
    message()
    webhooks.enqueue_due()
    webhooks.enqueue_due()
    assert OrmQ.objects.count() == 1

    OrmQ.objects.all().delete()  # whoever held it died
    time.sleep(0.35)  # the length of the lease
    deliver()

    assert len(rails.heard) == 1


def test_a_batch_that_comes_too_late_sends_nothing(rails: Receiver, settings: Settings) -> None:
    settings.WEBHOOK_LEASE_SECONDS = 0.1
    message()
    webhooks.enqueue_due()
    time.sleep(0.15)  # the length of the lease
    settings.WEBHOOK_LEASE_SECONDS = 60
    webhooks.enqueue_due()

    assert run_functions() == 2
    assert len(rails.heard) == 1


def test_an_attempt_that_killed_its_process_counts(rails: Receiver) -> None:
    """As the row is left behind by a process that died while it waited for the answer."""
    webhook = message()
    Webhook.objects.update(attempts=3, last_error=webhooks.CUT_OFF)

    assert deliver() == 0

    assert state_of(webhook) == (3, None, False, True)
    assert webhook.last_error == webhooks.CUT_OFF


def test_the_attempt_is_written_down_before_it_is_made(
    rails: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = message()

    def die(row: Webhook) -> Any:
        raise SystemExit

    monkeypatch.setattr(webhooks, "_send", die)
    with pytest.raises(SystemExit):
        deliver()

    assert state_of(webhook) == (1, None, False, False)
    assert seconds_until_next(webhook) > 30


def test_a_slow_server_holds_up_nobody_else(rails: Receiver) -> None:
    rails.always = Behaviour(delay=1.0)
    with receiver() as quick:
        make_client("quick", webhook_url=quick.url, webhook_secret=encryption.encrypt(SECRET))
        slow = [message() for _ in range(5)]
        fast = [message("quick") for _ in range(5)]
        started = time.monotonic()

        assert deliver() == 2

        assert time.monotonic() - started < 3, "one timeout, not five"
        assert len(quick.heard) == 5
        assert [state_of(one)[0] for one in fast] == [1] * 5
        assert sorted(state_of(one)[0] for one in slow) == [0, 0, 0, 0, 1]
        message("quick")
        assert deliver() == 1, "the slow one is left alone for a while"
        assert len(quick.heard) == 6


def test_what_does_not_fit_into_a_batch_follows_in_the_next(
    rails: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "BATCH", 2)
    for _ in range(5):
        message()

    assert [deliver(), deliver(), deliver(), deliver()] == [1, 1, 1, 0]
    assert len({heard.id for heard in rails.heard}) == 5


def test_a_batch_that_takes_too_long_gives_the_rest_back(
    rails: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "BATCH_SECONDS", 0.2)
    rails.next = [Behaviour(delay=0.3)]
    for _ in range(3):
        message()

    deliver()
    assert len(rails.heard) == 1
    deliver()

    assert len({heard.id for heard in rails.heard}) == 3


def test_a_full_queue_gets_no_more(rails: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "LONGEST_QUEUE", 0)
    message()

    assert deliver() == 0
