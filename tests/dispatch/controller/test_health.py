"""Health: the kinds of calls back off apart, and the row tells of both."""

import pytest

from dispatch.backends import Unavailable
from dispatch.controller import health
from dispatch.controller.health import LOOKING, Health
from dispatch.fake import FakeBackend
from dispatch.models import BackendStatus
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake")]


def unavailable() -> bool:
    return BackendStatus.objects.filter(name="fake", unavailable_since__isnull=False).exists()


def rested(one: Health) -> Health:
    wait_until(lambda: not one.resting)
    return one


def test_reads_that_work_do_not_hide_that_nothing_can_be_started() -> None:
    starting, looking = health.of("fake"), health.of("fake", LOOKING)
    starting.failed(Unavailable("500 on create"))
    looking.answered()
    assert starting.resting and not looking.resting
    assert unavailable()
    rested(starting).failed(Unavailable("500 on create"))
    assert BackendStatus.objects.get(name="fake").failures == 2
    rested(starting).answered()
    assert not unavailable()


def test_a_backend_is_unavailable_until_none_of_its_calls_fails() -> None:
    starting, looking = health.of("fake"), health.of("fake", LOOKING)
    starting.failed(Unavailable("no answer"))
    looking.failed(Unavailable("no answer"))
    rested(starting).answered()
    assert unavailable()
    rested(looking).answered()
    assert not unavailable()


def test_the_moment_of_the_first_failure_stays() -> None:
    starting = health.of("fake")
    starting.failed(Unavailable("no answer"))
    first = BackendStatus.objects.get(name="fake").unavailable_since
    rested(starting).failed(Unavailable("no answer"))
    assert BackendStatus.objects.get(name="fake").unavailable_since == first


def test_an_old_failure_after_which_there_is_nothing_to_ask_is_forgotten() -> None:
    starting = health.of("fake")
    starting.failed(Unavailable("no answer"))
    starting.nothing_to_ask()
    assert unavailable(), "not while it rests: nothing can be asked then"
    rested(starting).nothing_to_ask()
    assert not unavailable()


def test_having_nothing_to_ask_says_nothing_good(fake: FakeBackend) -> None:
    """What another process wrote down stands until a call works."""
    BackendStatus.objects.create(name="fake", unavailable_since="2026-01-01T00:00:00Z")
    health.of("fake").nothing_to_ask()
    assert unavailable()
    health.of("fake").answered()
    assert not unavailable()


def test_two_backends_are_told_apart() -> None:
    health.of("fake").failed(Unavailable("no answer"))
    health.of("other").answered()
    assert unavailable()
    assert not health.of("other").resting
