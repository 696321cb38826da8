import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from dispatch import prepared
from dispatch.models import ApiClient
from tests.factories import make_client

INSERT = """
    INSERT INTO dispatch_apiclient (name, webhook_url, webhook_secret, created_at)
    VALUES (%s, '', '', %s) RETURNING name
"""


def test_it_returns_the_rows(db: None) -> None:
    make_client("one")
    sql = "SELECT name FROM dispatch_apiclient WHERE name = %s"

    for _ in range(5):  # planned anew at first, prepared later
        assert prepared.run(sql, ["one"]) == [("one",)]
        assert prepared.run(sql, ["two"]) == []


def test_a_failure_undoes_itself_alone(db: None) -> None:
    with transaction.atomic():
        make_client("one")
        with pytest.raises(IntegrityError):
            prepared.run(INSERT, ["one", timezone.now()])
        prepared.run(INSERT, ["two", timezone.now()])

    assert ApiClient.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_it_is_one_by_itself() -> None:
    prepared.run(INSERT, ["one", timezone.now()])
    connection.close()

    assert ApiClient.objects.filter(name="one").exists()
    with pytest.raises(IntegrityError):
        prepared.run(INSERT, ["one", timezone.now()])
    assert ApiClient.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_after_the_connection_broke_the_next_request_works() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connection that breaks")
    [(pid,)] = prepared.run("SELECT pg_backend_pid()", [])
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()
    with pytest.raises(OperationalError):
        prepared.run("SELECT 1", [])

    connection.close_if_unusable_or_obsolete()

    assert prepared.run("SELECT 1", []) == [(1,)]
