"""The readiness report: a repository is as ready as its newest suite run."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from dispatch.readiness import report
from tests.factories import make_suite_run

pytestmark = pytest.mark.django_db

HELD = ["kubernetes: web.privileged: take it out", "droplets: command: leave it out"]


def last_week() -> list[tuple[str, int, int, tuple[str, ...]]]:
    rows = report(timezone.now() - timedelta(days=7))
    return [(row.repository, row.suite_runs, row.able, row.reasons) for row in rows]


def test_what_the_other_backend_said_holds_nobody_back() -> None:
    make_suite_run(reasons=["droplets: command: leave it out"])
    assert last_week() == [("acme/shop", 1, 1, ())]


def test_the_newest_suite_run_decides_and_all_are_counted() -> None:
    make_suite_run(reasons=HELD)
    make_suite_run(reasons=[])
    make_suite_run(repository="acme/api", reasons=[])
    make_suite_run(repository="acme/api", reasons=HELD)
    assert last_week() == [
        ("acme/api", 2, 1, ("web.privileged: take it out",)),
        ("acme/shop", 2, 1, ()),
    ]


def test_repositories_of_two_accounts_are_two() -> None:
    make_suite_run(account="acme")
    make_suite_run(account="zeta", reasons=HELD)
    assert [row.account for row in report(timezone.now() - timedelta(days=1))] == ["zeta", "acme"]


def test_the_command_says_how_many_are_ready() -> None:
    make_suite_run(reasons=HELD)
    out = StringIO()
    call_command("readiness", stdout=out)
    assert "0 of 1 repositories ready." in out.getvalue()
    out = StringIO()
    call_command("readiness", "--json", stdout=out)
    (row,) = json.loads(out.getvalue())
    assert row["ready"] is False and row["reasons"] == ["web.privileged: take it out"]
