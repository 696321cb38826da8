from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from dispatch.models import SuiteRun
from tests.controlplane.pages import text_of
from tests.factories import make_suite_run

pytestmark = pytest.mark.django_db
REASON = "service db, privileged: is not allowed in the cluster; remove it"


def page(console: Client, **query: str) -> str:
    response = console.get("/readiness/", query)
    assert response.status_code == 200
    return text_of(response)


def test_it_says_how_many_can_move_and_what_holds_the_others_back(console: Client) -> None:
    for _ in range(3):
        make_suite_run(rule="hash")
    make_suite_run(repository="acme/billing", rule="eligibility", reasons=[f"kubernetes: {REASON}"])
    text = page(console)
    assert "Repositories that can move 1 of 2" in text
    assert "Suite runs that can move 75.0 % 3 of the 4" in text
    assert REASON in text
    assert text.index("acme/billing") < text.index("acme/shop")


def test_a_repository_of_which_it_was_not_asked_is_neither(console: Client) -> None:
    make_suite_run(rule="only")
    text = page(console)
    assert "not asked yet" in text and "known with the next one" in text
    assert "0 of 1" in text


def test_the_time_is_chosen(console: Client) -> None:
    run = make_suite_run(rule="hash")
    SuiteRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(days=20))
    assert "No suite run arrived in this time" in page(console)
    assert "acme/shop" in page(console, days="90")


@pytest.mark.parametrize("days", ["0", "367", "soon", "1.5", "-3"])
def test_a_bad_number_of_days_is_named(console: Client, days: str) -> None:
    make_suite_run(rule="hash")
    response = console.get("/readiness/", {"days": days})
    assert response.status_code == 422
    text = text_of(response)
    assert "days: " in text
    assert any(most in text for most in ("1 to 366", "equal to 366", "equal to 1"))
    assert "acme/shop" not in text


def test_what_a_repository_wrote_stays_text(console: Client) -> None:
    make_suite_run(rule="hash", reasons=["kubernetes: <script>alert(1)</script>: no; remove it"])
    assert b"<script>alert" not in console.get("/readiness/").content
