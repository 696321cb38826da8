"""Is everything there that work needs? One finding for each thing looked at.

Unlike the system checks this asks the database, and each backend asks its own outside world: run
it where the controller runs, with the controller's credentials.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.core.checks import ERROR, WARNING, run_checks
from django.db import DatabaseError, connection
from django.db.models import Count

from controlplane import figures
from controlplane.operations import missing_migrations
from dispatch import backends, encryption
from dispatch.backends import Finding, Unavailable
from dispatch.models import ApiClient, Assignment, TaskSecret

OLDEST_POSTGRESQL = 15

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A finding, and the area that it is about."""

    area: str
    finding: Finding


def run() -> Iterator[Line]:
    """Every area in turn. Without a usable database the areas that need it are left out."""
    yield from _area("settings", _settings)
    database = list(_area("database", _database))
    yield from database
    if not any(line.finding.level == "error" for line in database):
        yield from _area("keys", _keys)
        yield from _area("processes", _processes)
        yield from _area("assignments", _assignments)
        yield from _area("webhooks", _webhooks)
    for name in backends.entries():
        yield from _area(name, _check_of(name))


def _area(name: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Line]:
    """What fails unexpectedly is a finding too: one broken thing must not hide the others."""
    try:
        for finding in look():
            yield Line(area=name, finding=finding)
    except Exception as problem:
        logger.debug("Preflight of %s failed", name, exc_info=True)
        text = f"This could not be looked at: {type(problem).__name__}: {problem}"
        yield Line(area=name, finding=_error(text, "See the message; the others still hold."))


def _ok(text: str) -> Finding:
    return Finding(level="ok", text=text)


def _warning(text: str, remedy: str) -> Finding:
    return Finding(level="warning", text=text, remedy=remedy)


def _error(text: str, remedy: str) -> Finding:
    return Finding(level="error", text=text, remedy=remedy)


def _settings() -> Iterator[Finding]:
    """Django's system checks, ours among them."""
    found = [message for message in run_checks() if message.level >= WARNING]
    for message in found:
        make = _error if message.level >= ERROR else _warning
        yield make(f"{message.msg} ({message.id})", message.hint or "")
    if not found:
        yield _ok("The settings pass every check.")


def _database() -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        yield _postgresql() if connection.vendor == "postgresql" else _sqlite()
        missing = missing_migrations()
    except DatabaseError as problem:
        yield _error(f"The database does not answer: {problem}".strip(), "Check DATABASE_URL.")
        return
    if missing:
        yield _error(f"Not migrated: {', '.join(missing)}.", "Run manage.py migrate.")
    else:
        yield _ok("Every migration is applied.")


def _postgresql() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version: str = cursor.fetchone()[0]
    if int(version.partition(".")[0].split()[0]) < OLDEST_POSTGRESQL:
        return _error(f"PostgreSQL {version} is too old.", f"Use {OLDEST_POSTGRESQL} or later.")
    return _ok(f"PostgreSQL {version}")


def _sqlite() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode: str = cursor.fetchone()[0]
    if mode.lower() != "wal":
        remedy = "Let DATABASE_URL make the settings, on a disk that can do it."
        return _error(f"SQLite keeps its journal in mode {mode}, not WAL.", remedy)
    if settings.DEBUG:
        return _ok("SQLite in WAL mode")
    return _warning("SQLite serves one machine only.", "Use PostgreSQL 15 or later in production.")


def _keys() -> Iterator[Finding]:
    """Whether what is stored can be read: the newest secret of a Task, and each client's."""
    secrets = {
        f"webhook secret of {client.name}": bytes(client.webhook_secret)
        for client in ApiClient.objects.exclude(webhook_secret=b"")
    }
    newest = TaskSecret.objects.order_by("-task_id").first()
    if newest:
        secrets[f"variables of Task {newest.task_id}"] = bytes(newest.ciphertext)
    lost = [name for name, ciphertext in secrets.items() if not _opens(ciphertext)]
    for name in lost:
        remedy = "Put the key that it was made with back into SWITCHYARD_ENCRYPTION_KEYS."
        yield _error(f"No encryption key fits the {name}.", remedy)
    if not lost:
        yield _ok(
            f"The encryption keys fit; tokens are signed with {next(iter(settings.TOKEN_KEYS))}."
        )


def _opens(ciphertext: bytes) -> bool:
    try:
        encryption.decrypt(ciphertext)
    except InvalidToken:
        return False
    return True


def _processes() -> Iterator[Finding]:
    leader = figures.leader()
    if leader is None:
        yield _error("No controller leads: Tasks are not placed.", "Run manage.py controller.")
    else:
        yield _ok(f"The controller {leader.holder} leads.")
    for loop in figures.loops():
        if loop.name == figures.FUNCTIONS:
            yield _functions(loop)
        elif leader and loop.error:
            yield _error(f"The loop {loop.name} fails: {loop.error}", "See the controller's log.")
        elif leader and loop.late:
            yield _warning(f"The loop {loop.name} is late.", "See the controller's log.")


def _functions(loop: figures.LoopAge) -> Finding:
    if loop.age is None:
        text = "The background functions never gave a sign of life: webhooks wait."
        return _error(text, "Run manage.py functions.")
    if loop.late:
        text = f"The background functions fell silent {loop.age:.0f} s ago: webhooks wait."
        return _error(text, "Run manage.py functions.")
    return _ok(f"The background functions gave a sign of life {loop.age:.0f} s ago.")


def _assignments() -> Iterator[Finding]:
    """Live ones on backends that are configured no more: nobody looks after those."""
    open_ones = Assignment.objects.filter(released_at=None).exclude(backend="")
    stranded = open_ones.exclude(backend__in=list(settings.BACKENDS))
    counts = stranded.values_list("backend").annotate(n=Count("id")).order_by("backend")
    found = False
    for name, count in counts:
        found = True
        yield _warning(
            f"Open Assignments on {name}, which is not configured: {count}.",
            f"Put {name} back into BACKENDS until they have ended, or let the controller move "
            "those that were not placed yet.",
        )
    if not found:
        yield _ok("Every open Assignment is on a configured backend.")
    if not settings.BACKENDS:
        yield _warning("No backend is configured.", "Tasks wait until BACKENDS names one.")


def _webhooks() -> Iterator[Finding]:
    backlog = figures.webhooks()
    if backlog.failed:
        remedy = "Mend the receiver, then send them again from the overview."
        yield _warning(f"Webhooks given up: {backlog.failed}.", remedy)
    else:
        yield _ok(f"No webhook was given up; {backlog.waiting} are on their way.")


def _check_of(name: str) -> Callable[[], Iterable[Finding]]:
    def look() -> Iterator[Finding]:
        try:
            yield from backends.get(name).check()
        except Unavailable as problem:
            yield _error(f"The backend cannot be reached: {problem}", "See its message.")

    return look
