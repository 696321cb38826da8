import json
from collections.abc import Iterable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from controlplane import preflight
from dispatch import backends, encryption
from dispatch.backends import BackendEntry, Finding, Unavailable
from dispatch.fake import FakeBackend
from dispatch.models import Lease, LoopBeat, TaskSecret, Webhook
from tests.controlplane.seeding import loop_beats, seed_day
from tests.factories import make_assignment, make_client, make_suite_run, make_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("both_backends")]


class Unreachable(FakeBackend):
    def check(self) -> Iterable[Finding]:
        raise Unavailable("connection refused")


class Broken(FakeBackend):
    def check(self) -> Iterable[Finding]:
        yield Finding(level="ok", text="The first thing is fine.")
        raise KeyError("price")


UNREACHABLE = BackendEntry(title="Unreachable", backend=Unreachable)
BROKEN = BackendEntry(title="Broken", backend=Broken)


def findings(area: str) -> list[tuple[str, str]]:
    found = [line.finding for line in preflight.run() if line.area == area]
    assert all(finding.remedy for finding in found if finding.level != "ok")
    return [(finding.level, finding.text) for finding in found]


def running() -> None:
    loop_beats()
    LoopBeat.record("functions")
    Lease.take("controller", "host:1:aa", 30)


def test_all_is_well_with_everything_up() -> None:
    running()
    make_task()
    areas = {line.area for line in preflight.run()}
    assert areas == {
        "settings", "database", "keys", "processes", "assignments", "webhooks",
        "droplets", "kubernetes",
    }  # fmt: skip
    assert not [line for line in preflight.run() if line.finding.level == "error"]


def test_it_names_the_database_and_its_migrations() -> None:
    levels = [level for level, _ in findings("database")]
    assert "error" not in levels
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app='sessions'")
    assert ("error", "Not migrated: sessions.0001_initial.") in findings("database")
    assert findings("processes") == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="asks PostgreSQL")
def test_a_postgresql_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "OLDEST_POSTGRESQL", 999)
    assert findings("database")[0][0] == "error"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="asks SQLite")
def test_sqlite_is_for_one_machine(settings: Any) -> None:
    assert findings("database")[0][0] == "warning"
    settings.DEBUG = True
    assert findings("database")[0] == ("ok", "SQLite in WAL mode")


def test_keys_that_do_not_fit_what_is_stored_are_an_error(settings: Any) -> None:
    task = make_task()
    TaskSecret.objects.create(task=task, ciphertext=encryption.encrypt("{}"))
    make_client("other", webhook_secret=encryption.encrypt("whsec_x"))
    assert [level for level, _ in findings("keys")] == ["ok"]
    settings.ENCRYPTION_KEYS = ["c2l4dGVlbi1ieXRlcy0tc2l4dGVlbi1ieXRlcy0tMTI="]
    texts = [text for level, text in findings("keys") if level == "error"]
    assert any("webhook secret of other" in text for text in texts)
    assert any(f"variables of Task {task.pk}" in text for text in texts)


def test_without_a_controller_or_functions_it_says_so() -> None:
    assert findings("processes") == [
        ("error", "No controller leads: Tasks are not placed."),
        ("error", "The background functions never gave a sign of life: webhooks wait."),
    ]


def test_a_loop_in_trouble_is_named() -> None:
    running()
    LoopBeat.record("rehome", every=5, error="RuntimeError: no")
    LoopBeat.objects.filter(name="timeouts").delete()
    found = findings("processes")
    assert ("error", "The loop rehome fails: RuntimeError: no") in found
    assert ("warning", "The loop timeouts is late.") in found


def test_open_assignments_of_a_backend_that_is_gone_are_told_of(settings: Any) -> None:
    make_assignment(make_suite_run(backend="droplets")).place("x")
    settings.BACKENDS = {"kubernetes": "dispatch.fake.ENTRY"}
    text = "Open Assignments on droplets, which is not configured: 1."
    assert findings("assignments") == [("warning", text)]


def test_webhooks_that_were_given_up_are_a_warning() -> None:
    seed_day()
    assert findings("webhooks") == [("warning", "Webhooks given up: 1.")]
    Webhook.objects.all().delete()
    assert findings("webhooks")[0][0] == "ok"


def test_each_backend_tells_its_own_findings(settings: Any) -> None:
    settings.BACKENDS = {"kubernetes": "dispatch.fake.ENTRY", "away": f"{__name__}.UNREACHABLE"}
    settings.BACKENDS["broken"] = f"{__name__}.BROKEN"
    backends.forget()
    assert findings("kubernetes") == [("ok", "The fake backend needs nothing.")]
    assert findings("away") == [("error", "The backend cannot be reached: connection refused")]
    assert findings("broken") == [
        ("ok", "The first thing is fine."),
        ("error", "This could not be looked at: KeyError: 'price'"),
    ]


def test_wrong_settings_are_findings_not_the_end(settings: Any) -> None:
    settings.CONSOLE_TIME_ZONE = "Mars/Olympus"
    assert any("switchyard.E016" in text for _, text in findings("settings"))
    assert findings("database")


def command(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("preflight", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_the_command_fails_on_errors_alone() -> None:
    code, text = command()
    assert code == 1 and "Run manage.py controller." in text
    running()
    code, text = command()
    assert code == 0 and "warning" in text


def test_the_command_speaks_json() -> None:
    code, text = command("--json")
    rows = json.loads(text)
    assert code == 1
    assert set(rows[0]) == {"area", "level", "text", "remedy"}
    assert {row["level"] for row in rows} <= {"ok", "warning", "error"}
