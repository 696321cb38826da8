from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from controlplane import operations
from dispatch.models import Lease, LoopBeat
from tests.controlplane.seeding import loop_beats

database = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget_what_was_migrated() -> None:
    operations.require_migrations.cache_clear()


def test_livez_asks_nothing_of_the_database() -> None:
    """The test has no access to the database: asking it would fail."""
    response = Client().get("/livez")
    assert (response.status_code, response.content) == (200, b"ok\n")


@database
def test_readyz_says_ok_when_everything_is_migrated() -> None:
    response = Client().get("/readyz")
    assert (response.status_code, response.content) == (200, b"ok\n")


@database
def test_readyz_names_the_migrations_that_are_missing() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app='sessions'")
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert b"run manage.py migrate: sessions.0001_initial" in response.content


@database
def test_readyz_looks_for_migrations_once_and_for_the_database_each_time(
    django_assert_num_queries: Any,
) -> None:
    Client().get("/readyz")
    with django_assert_num_queries(1):
        Client().get("/readyz")


@pytest.mark.django_db(transaction=True)
def test_readyz_says_that_the_database_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "NAME", "/nowhere/at/all")
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    try:
        response = Client().get("/readyz")
    finally:
        connection.close()
    assert response.status_code == 503
    assert response.content == b"the database does not answer\n"


@database
def test_the_loops_are_well_while_all_come_round_and_somebody_leads(both_backends: None) -> None:
    loop_beats()
    LoopBeat.record("functions")
    Lease.take("controller", "host:1:aa", 30)
    response = Client().get("/healthz/loops")
    assert response.status_code == 200
    answer = response.json()
    assert (answer["ok"], answer["leader"]) == (True, "host:1:aa")
    place = next(loop for loop in answer["loops"] if loop["name"] == "place droplets")
    assert place["every"] == 1 and 0 <= place["age"] < 20 and not place["late"]


@database
@pytest.mark.parametrize("trouble", ["late", "failing", "missing", "no leader", "silent functions"])
def test_the_loops_are_not_well(both_backends: None, trouble: str) -> None:
    loop_beats()
    LoopBeat.record("functions")
    Lease.take("controller", "host:1:aa", 30)
    rows = LoopBeat.objects.filter(name="rehome")
    if trouble == "late":
        rows.update(at=timezone.now() - timedelta(minutes=1))
    if trouble == "failing":
        rows.update(error="RuntimeError: no")
    if trouble == "missing":
        rows.delete()
    if trouble == "no leader":
        Lease.objects.update(expires_at=timezone.now())
    if trouble == "silent functions":
        LoopBeat.objects.filter(name="functions").update(at=timezone.now() - timedelta(minutes=5))
    response = Client().get("/healthz/loops")
    assert (response.status_code, response.json()["ok"]) == (503, False)


@database
def test_the_metrics_are_for_the_token_s_bearer_and_for_operators(settings: Any) -> None:
    settings.METRICS_TOKEN = "a-token"
    assert Client().get("/metrics").status_code == 401
    wrong = Client().get("/metrics", headers={"Authorization": "Bearer another"})
    assert wrong.status_code == 401 and wrong["WWW-Authenticate"].startswith("Bearer")
    assert Client().get("/metrics", headers={"Authorization": "Bearer a-token"}).status_code == 200
    for name, staff, status in (("guest", False, 401), ("maria", True, 200)):
        browser = Client()
        browser.force_login(User.objects.create_user(name, is_staff=staff))
        assert browser.get("/metrics").status_code == status


@database
def test_without_a_token_the_metrics_are_open() -> None:
    assert Client().get("/metrics").status_code == 200
