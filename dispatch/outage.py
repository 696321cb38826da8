"""While the database is away every call fails in the same way: one line each is enough."""

import logging

from django.db import InterfaceError, OperationalError

# SQLSTATE of PostgreSQL: no connection, the server ends or begins, all connections are taken.
AWAY = ("08", "57P", "53300")


def database_is_away(error: BaseException | None) -> bool:
    """Whether it could not be reached, or went away meanwhile. SQLite is never away: what it calls
    operational is of the statement, or of its file."""
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    cause = error.__cause__
    if not type(cause).__module__.startswith("psycopg"):
        return False
    state = getattr(cause, "sqlstate", None)
    return state is None or state.startswith(AWAY)


class InOneLine(logging.Filter):
    """Makes a warning in one line of a record about a database that is away: no story of our code
    belongs to it. Every other record stays as it is."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if database_is_away(error):
            first, *_ = str(error).splitlines() or [type(error).__name__]
            record.msg, record.args = f"{record.getMessage()}: {first}", ()
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True
