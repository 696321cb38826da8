"""No call to the cloud inside a database transaction, and none in a web request."""

from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from droplets import destroying, inventory, pool
from droplets.cloud import Cloud
from droplets.models import Worker, WorkerState
from tests.droplets.seeding import standing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Every call as it goes out: its method, and whether a transaction was open."""
    made: list[tuple[str, bool]] = []
    send = requests.Session.send

    def noted(session: requests.Session, request: Any, **kwargs: Any) -> requests.Response:
        made.append((request.method, connection.in_atomic_block))
        return send(session, request, **kwargs)

    monkeypatch.setattr(requests.Session, "send", noted)
    return made


def test_no_loop_calls_the_cloud_inside_a_transaction(
    cloud: Cloud, calls: list[tuple[str, bool]]
) -> None:
    pool.keep()
    inventory.compare()
    for worker in Worker.objects.all():
        worker.retire("done")
    destroying.destroy_ended()
    assert {method for method, _ in calls} == {"GET", "POST", "DELETE"}
    assert not [method for method, in_transaction in calls if in_transaction]


def test_no_page_calls_the_cloud(calls: list[tuple[str, bool]]) -> None:
    console = Client()
    console.force_login(User.objects.create_superuser("maria"))
    drained, gone = standing(WorkerState.IDLE), standing(WorkerState.IDLE)
    console.post(reverse("droplets:drain", args=[drained.pk]), {"reason": "old"})
    given = {"name": gone.name, "reason": "old"}
    console.post(reverse("droplets:decommission", args=[gone.pk]), given)
    console.get(reverse("droplets:pool"))
    gone.refresh_from_db()
    assert gone.state == WorkerState.RETIRED
    assert calls == []
