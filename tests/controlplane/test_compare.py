import pytest
from django.test import Client
from django.urls import reverse

from tests.controlplane.pages import text_of
from tests.controlplane.seeding import seed_day

pytestmark = pytest.mark.django_db


def test_it_shows_both_backends_side_by_side(console: Client) -> None:
    seed_day()
    response = console.get(reverse("console:comparison"), {"window": "hour"})
    lines = [line for _, line in response.context["lines"]]
    assert [line.backend for line in lines] == ["droplets", "kubernetes"]
    assert sum(line.tasks for line in lines) == 16
    assert lines[0].cost_per_task is not None
    text = text_of(response)
    assert f"${lines[0].cost_per_task:.4f}" in text
    assert "≈" in text


def test_without_tasks_it_says_so(console: Client) -> None:
    assert "No Task ended in this time" in text_of(console.get(reverse("console:comparison")))


@pytest.mark.parametrize("window", ["", "century", "day"])
def test_an_unknown_time_is_the_last_day(console: Client, window: str) -> None:
    response = console.get(reverse("console:comparison"), {"window": window})
    length = response.context["until"] - response.context["since"]
    assert length.total_seconds() == 86_400
