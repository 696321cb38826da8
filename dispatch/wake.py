"""Waking the controller: PostgreSQL LISTEN/NOTIFY, or a Unix socket beside the SQLite file.

A wake is only a hint; every loop also sweeps on its own clock, so a lost one costs a second.
Topics are words such as "queue" (something to place) and "workers" (the pool changed).
"""

import contextlib
import hashlib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.db import connection, transaction

from dispatch import prepared

CHANNEL = "switchyard"
LONGEST_SOCKET_PATH = 100  # sockaddr_un holds 108 bytes


def send(topic: str) -> None:
    """Wake whoever listens, once the current transaction (if any) has committed. What was
    committed stands, so a wake that cannot be sent is logged and raises nothing."""
    transaction.on_commit(lambda: _send_now(topic), robust=True)


def _send_now(topic: str) -> None:
    if connection.vendor == "postgresql":
        prepared.run("SELECT pg_notify(%s, %s)", [CHANNEL, topic])
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
        sender.setblocking(False)
        sender.sendto(topic.encode(), str(socket_path()))


def socket_path() -> Path:
    """Beside the database, or under the temporary folder when that path is too long."""
    path = Path(f"{connection.settings_dict['NAME']}.wake")
    if len(str(path)) <= LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"switchyard-{digest}.wake"


class Listener:
    """Yields topics as they arrive. Use as a context manager, in one thread."""

    def __enter__(self) -> "Listener":
        self._postgres = connection.vendor == "postgresql"
        if self._postgres:
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
        else:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            socket_path().unlink(missing_ok=True)
            self._socket.bind(str(socket_path()))
        return self

    def __exit__(self, *error: object) -> None:
        if self._postgres:
            connection.close()
        else:
            self._socket.close()

    def topics(self, timeout: float) -> Iterator[str]:
        """The topics that arrive; stops after `timeout` seconds, or earlier when some came.
        Raises Django's database errors, also when the server has gone away."""
        if self._postgres:
            raw = connection.connection
            with connection.wrap_database_errors:
                notices = list(raw.notifies(timeout=timeout, stop_after=1))
            yield from (notice.payload for notice in notices)
            return
        self._socket.settimeout(timeout)
        with contextlib.suppress(TimeoutError):
            yield self._socket.recv(100).decode()
