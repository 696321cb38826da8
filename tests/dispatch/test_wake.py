import psycopg
import pytest
from django.db import DatabaseError, connection

from dispatch import wake

pytestmark = pytest.mark.django_db(transaction=True)
ON_POSTGRESQL = "there is no server that could go away"


@pytest.fixture
def postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip(ON_POSTGRESQL)


def break_off() -> None:
    """End this thread's connection at the server, as its restart does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    dsn, password = connection.connection.info.dsn, connection.settings_dict["PASSWORD"]
    with psycopg.connect(dsn, password=password, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_topic_arrives() -> None:
    with wake.Listener() as listener:
        wake.send("queue")
        assert "queue" in list(listener.topics(timeout=5))


def test_a_server_that_goes_away_is_a_database_error(postgresql: None) -> None:
    with wake.Listener() as listener:
        break_off()
        with pytest.raises(DatabaseError):
            list(listener.topics(timeout=5))


def test_a_wake_that_cannot_be_sent_raises_nothing(
    postgresql: None, caplog: pytest.LogCaptureFixture
) -> None:
    break_off()
    wake.send("queue")
    assert "on_commit" in caplog.text
    connection.close()
