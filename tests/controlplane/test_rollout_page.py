from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dispatch.models import AuditEntry, TrafficSplit
from dispatch.routing import current_split
from tests.controlplane.pages import text_of

pytestmark = pytest.mark.django_db


def post(console: Client, weight: str, reason: str = "Looks good") -> Any:
    return console.post(reverse("console:rollout"), {"weight": weight, "reason": reason})


@pytest.mark.parametrize(
    ("typed", "weight"), [("25", 25_000), ("0.001", 1), ("100", 100_000), ("12.345", 12_345)]
)
def test_a_weight_is_typed_in_percent(console: Client, typed: str, weight: int) -> None:
    answer = post(console, typed)
    assert answer.status_code == 302
    split = TrafficSplit.objects.get()
    assert (split.weight, split.actor, split.actor_kind) == (weight, "maria", "person")
    assert split.reason == "Looks good"
    assert AuditEntry.objects.get().action == "weight.set"
    assert current_split().weight == weight


@pytest.mark.parametrize("typed", ["", "101", "-1", "1.2345", "lots", "nan", "1e9"])
def test_what_is_no_weight_is_refused_at_the_field(console: Client, typed: str) -> None:
    answer = post(console, typed)
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"weight"}
    assert not TrafficSplit.objects.exists()


@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_nothing_is_set(console: Client, reason: str) -> None:
    answer = post(console, "10", reason)
    assert answer.status_code == 422
    assert "Say why the weight changes" in text_of(answer)
    assert not TrafficSplit.objects.exists()


def test_a_weight_for_a_backend_that_is_not_there_is_refused_at_the_field(
    console: Client, settings: Any
) -> None:
    settings.BACKENDS = {"droplets": "dispatch.fake.ENTRY"}
    answer = post(console, "10")
    assert answer.status_code == 422
    message = "Only 0 is possible while kubernetes is not configured in BACKENDS."
    assert answer.context["form"].errors == {"weight": [message]}
    assert 'value="10"' in answer.content.decode()
    assert post(console, "0").status_code == 302


def test_the_history_tells_who_set_what_and_why(console: Client) -> None:
    page = console.get(reverse("console:rollout"))
    assert "The weight was never set" in text_of(page)
    post(console, "10", "First step")
    post(console, "5", "Back a little")
    text = text_of(console.get(reverse("console:rollout")))
    newest = TrafficSplit.objects.latest("id")
    assert f"{newest.pk} ✓ in force" in text
    assert text.index("Back a little") < text.index("First step")
    assert "5.000 % of new suite runs go to kubernetes" in text
